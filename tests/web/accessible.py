"""What keeps somebody out of a page: axe-core's serious findings, and what the keyboard does not reach."""

from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")
# What a finger can use, in the order of the page. Of a group of radio buttons the keyboard stops at one.
REACHABLE = """() => {
  const groups = new Set();
  return [...document.querySelectorAll('a[href], button, input, select, textarea, summary, video[controls]')].filter(e => {
    if (e.disabled || e.tabIndex < 0 || e.type === 'hidden' || !e.checkVisibility({ visibilityProperty: true })) return false;
    if (e.type !== 'radio') return true;
    const isFirst = !groups.has(e.name);
    groups.add(e.name);
    return isFirst;
  }).map((e, number) => { e.dataset.reach = e.type === 'radio' ? 'radio ' + e.name : String(number); return e.dataset.reach; });
}"""
FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  return e.type === 'radio' ? 'radio ' + e.name : e.dataset.reach || '';
}"""
# Whether a line is drawn around where the keyboard is; the choice of a photo lies unseen behind its label.
SHOWS_WHERE_IT_IS = """() => {
  const e = document.activeElement;
  const drawn = getComputedStyle(e.type === 'file' ? e.closest('.field').querySelector('label') : e);
  return drawn.outlineStyle !== 'none' && parseFloat(drawn.outlineWidth) >= 2;
}"""
NAMED = "(reach) => { const e = document.querySelector(`[data-reach='${reach}']`); return e ? e.outerHTML.slice(0, 160) : reach; }"


@cache
def _axe() -> str:
    if not AXE.exists():
        pytest.skip("axe-core is not here: npm ci brings it")
    return AXE.read_text(encoding="utf-8")


def serious(page: Page, *rules: str) -> list[str]:
    """What axe-core finds serious or critical on the page as it stands; with `rules`, by these alone."""
    page.evaluate(_axe())
    how = {"resultTypes": ["violations"]} | ({"runOnly": {"type": "rule", "values": list(rules)}} if rules else {})
    found = page.evaluate("(how) => axe.run(document, how)", how)["violations"]
    return [
        f"{row['id']} ({row['help']}): {node['html'][:160]}"
        for row in found if row["impact"] in SERIOUS
        for node in row["nodes"]
    ]  # fmt: skip


def out_of_reach(page: Page) -> list[str]:
    """What somebody without a pointer cannot get to by the Tab key, from the page's beginning to its end."""
    wanted = page.evaluate(REACHABLE)
    page.evaluate("() => { document.activeElement.blur(); getSelection().removeAllRanges(); }")
    met = set()
    for _ in range(3 * len(wanted) + 10):  # a video's own controls are several stops
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at is None and met:
            break
        met.add(at)
    return [page.evaluate(NAMED, reach) for reach in wanted if reach not in met]
