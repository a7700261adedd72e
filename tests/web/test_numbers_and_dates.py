"""Numbers, sizes, lengths, days and times as each language writes them, and nowhere by hand."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import force_locale, ngettext

from eduhub.web import shown

WEB = Path(shown.__file__).parent
WRITTEN = {
    "en": {
        "size": ["0.1 MB", "2.6 MB", "340 MB", "1.2 GB"], "length": ["50 s", "40 min", "1 h 5 min"], "day": "Nov 26, 2026",
        "since": ["1 minute", "5 minutes", "2 hours", "3 days"], "count": ["1 lesson", "2 lessons"], "percent": "63%",
    },
    "zh": {
        "size": ["0.1 MB", "2.6 MB", "340 MB", "1.2 GB"], "length": ["50 秒", "40 分钟", "1 小时 5 分钟"], "day": "2026年11月26日",
        "since": ["1 分钟", "5 分钟", "2 小时", "3 天"], "count": ["1 节课", "2 节课"], "percent": "63%",
    },
    "bo": {
        "size": ["0.1 MB", "2.6 MB", "340 MB", "1.2 GB"], "length": ["སྐར་ཆ་ 50", "སྐར་མ་ 40", "ཆུ་ཚོད་ 1 སྐར་མ་ 5"],
        "day": "2026 ལོའི་ཟླ་11ཚེས་26", "since": ["སྐར་མ་ 1", "སྐར་མ་ 5", "ཆུ་ཚོད་ 2", "ཉིན་ 3"], "count": ["སློབ་ཚན་ 1", "སློབ་ཚན་ 2"], "percent": "63%",
    },
}  # fmt: skip


@pytest.fixture
def page(app: Flask) -> Iterator[None]:
    """A request that somebody made."""
    with app.test_request_context("/"):
        yield


@pytest.mark.parametrize("language", list(WRITTEN))
@pytest.mark.usefixtures("page")
def test_each_language_writes_them_its_own_way(language: str) -> None:
    with force_locale(language):
        found = {
            "size": [shown.megabytes(size) for size in (1, 2_600_000, 340_400_000, 1_234_000_000)],
            "length": [shown.length(seconds * 1000) for seconds in (50, 2400, 3900)], "day": shown.day("2026-11-26"),
            "since": [shown.since(minutes * 60_000) for minutes in (0, 5, 120, 3 * 24 * 60)],
            "count": [ngettext("%(num)s lesson", "%(num)s lessons", number) for number in (1, 2)],
            "percent": shown.percent(63),
        }  # fmt: skip
    for unbroken in ("size", "length"):
        assert not [text for text in found[unbroken] if " " in text], "a line may end between a figure and its unit"
        found[unbroken] = [text.replace("\u00a0", " ") for text in found[unbroken]]
    assert found == WRITTEN[language]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["yesterday", "today", "tomorrow", "Sat, Nov 28", "Fri, Nov 20"]),
        ("zh", ["昨天", "今天", "明天", "11月28日周六", "11月20日周五"]),
        ("bo", ["ཁ་སང་།", "དེ་རིང་།", "སང་ཉིན།", "ཟླ་11ཚེས་28, སྤེན་པ་", "ཟླ་11ཚེས་20, པ་སངས་"]),
    ],
)
@pytest.mark.usefixtures("page")
def test_a_day_that_is_near_is_said_as_one_says_it(language: str, words: list[str]) -> None:
    days = ("2026-11-25", "2026-11-26", "2026-11-27", "2026-11-28", "2026-11-20")
    with force_locale(language):
        assert [shown.near_day(day, "2026-11-26") for day in days] == words
        assert shown.near_day("soon", "2026-11-26") == "soon"  # from another machine, which may have let anything through


@pytest.mark.usefixtures("page")
def test_a_time_is_that_of_the_readers_school() -> None:
    with force_locale("zh"):
        assert shown.when(1_795_000_000_000) == "2026年11月18日 19:06"  # 11:06 by UTC
    with force_locale("en"):
        assert shown.when(1_795_000_000_000).replace("\u202f", " ") == "Nov 18, 2026 7:06 PM", "11/12 is read in two ways"


def test_no_template_writes_a_unit_or_a_share_behind_a_number_by_hand() -> None:
    by_hand = re.compile(r"\}\}\s*(%|MB|GB|kB|min\b|h\b)")
    assert [path.name for path in WEB.rglob("*.html") if by_hand.search(path.read_text(encoding="utf-8"))] == []
