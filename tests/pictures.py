"""Pictures of pages, for people to look at: `pytest --pictures` keeps them below .build/.

No test compares them, and making them takes most of the time that a page takes; without the option none is made.
"""

from pathlib import Path

from playwright.sync_api import Page

FOLDER = Path(__file__).parents[1] / ".build" / "screenshots"
_wanted = False


def want(wanted: bool) -> None:
    """Whether this process keeps pictures: what the option says."""
    global _wanted  # noqa: PLW0603 - one process, one command line
    _wanted = wanted


def keep(page: Page, name: str, *, folder: Path = FOLDER, full_page: bool = True) -> None:
    """The page as it looks now, as `name`.png, where pictures are wanted."""
    if _wanted:
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=full_page)


def keep_by_day_and_night(page: Page, name: str) -> None:
    """The page in both lights, as `name`-light and `name`-dark; afterwards it has its own light again."""
    if _wanted:
        own = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
        for light in ("light", "dark", own):
            page.emulate_media(color_scheme=light)  # type: ignore[arg-type]
            keep(page, f"{name}-{light}")
