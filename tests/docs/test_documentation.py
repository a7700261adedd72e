"""What can be set, typed, run or asked for is documented, and what is documented exists."""

import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from eduhub import config
from eduhub.app import create_app
from eduhub.installation import Installation
from eduhub.ops.cli import commands
from eduhub.ops.handlers import HANDLERS
from tests.layout.test_sizes import files
from tests.web.rights.table import TABLE

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def rows(page: Path, head: str) -> dict[str, list[str]]:
    """The table under the header row that begins with `head`: first cell (without backticks) -> the other cells."""
    text = page.read_text(encoding="utf-8")
    assert f"| {head} |" in text, f"{page.name} has no table of {head}s"
    found = {}
    for line in text.split(f"| {head} |", 1)[1].splitlines()[2:]:
        if not line.startswith("|"):
            break
        first, *others = (cell.strip() for cell in line.strip("|").split(" | "))
        found[first.strip("` ")] = others
    return found


def shown_default(value: object) -> str:
    """A default as docs/settings.md writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`" if str(value) else "(empty)"


def test_the_page_of_settings_is_the_table_of_settings() -> None:
    documented = rows(DOCS / "settings.md", "variable")
    wanted = {config.variable(row.name): [shown_default(row.default), row.metadata["meaning"]] for row in config.table()}
    # Its default depends on where it is started.
    documented["EDUHUB_DATA_DIR"][0] = wanted["EDUHUB_DATA_DIR"][0]
    assert documented == wanted


def leaves(group: click.Group, above: str) -> dict[str, click.Command]:
    """Every command below a group, by what is typed."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        typed = f"{above} {name}"
        found |= leaves(command, typed) if isinstance(command, click.Group) else {typed: command}
    return found


def test_the_page_of_commands_is_the_table_of_commands() -> None:
    assert set(rows(DOCS / "commands.md", "command")) == set(leaves(commands, "eduhub"))


@pytest.mark.parametrize("typed", sorted(leaves(commands, "eduhub")))
def test_every_command_and_every_option_of_it_says_what_it_is_for(typed: str) -> None:
    command = leaves(commands, "eduhub")[typed]
    assert command.help
    assert len(command.help) > 30
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []


def test_the_page_of_commands_names_every_job() -> None:
    assert set(rows(DOCS / "commands.md", "job")) == set(HANDLERS)


def test_the_page_of_routes_is_the_map_of_routes(make_installation: Callable[..., Installation]) -> None:
    found: dict[str, str] = {}
    for role, where in (("hub", "hub"), ("node", "box")):
        for rule in create_app(installation=make_installation(role=role)).url_map.iter_rules():
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                route = f"{method} {rule.rule}"
                found[route] = "both" if route in found else where
    assert {route: cells[0] for route, cells in rows(DOCS / "routes.md", "route").items()} == found


def test_every_documented_route_has_a_line_in_the_table_of_rights() -> None:
    without = set(rows(DOCS / "routes.md", "route")) - set(TABLE)
    assert without == set(), "say in tests/web/rights/table.py who may use these; docs/adding-a-page.md, step 7"


def test_the_readme_has_a_line_for_every_folder() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    mapped = set(re.findall(r"`([\w./-]+/)`", text))
    names = [path.relative_to(ROOT) for path in files()]
    top = {f"{name.parts[0]}/" for name in names if len(name.parts) > 1}
    rooms = {f"eduhub/{name.parts[1]}/" for name in names if name.parts[0] == "eduhub" and len(name.parts) > 2}
    assert (top | rooms) - mapped - {"eduhub/"} == set()


def test_the_readme_names_no_folder_that_is_not_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    mapped = set(re.findall(r"^\| `([\w./-]+/)`", text, re.MULTILINE)) - {"media/"}
    assert [name for name in sorted(mapped) if not (ROOT / name).is_dir()] == []


def test_the_list_of_formats_names_every_page_and_every_file_of_vectors() -> None:
    text = (DOCS / "formats" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (DOCS / "formats").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\((\w[\w-]*\.md)\)", text)) == pages
    vectors = {path.name for path in (DOCS / "formats" / "vectors").glob("*.json")}
    assert set(re.findall(r"`([\w-]+\.json)`", text)) == vectors


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_decision_says_since_when_it_holds_and_stands_in_the_list() -> None:
    listed = re.findall(r"^\d+\. \[(.+)\]\((\d{4}-.+\.md)\): \w", (DOCS / "decisions" / "README.md").read_text(encoding="utf-8"), re.M)
    pages = sorted((DOCS / "decisions").glob("0*.md"))
    titles = []
    for page in pages:
        title, _blank, accepted = page.read_text(encoding="utf-8").splitlines()[:3]
        assert re.match(r"Accepted, \d{4}-\d\d-\d\d\.", accepted), f"{page.name} does not say since when"
        titles.append((title.partition(". ")[2], page.name))
    assert listed == titles
