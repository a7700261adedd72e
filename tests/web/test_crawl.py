"""As everybody, follow every link of every page: none is dead, none fails, none shows another school, each has its headers."""

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from eduhub import http
from tests.web.rights import readers
from tests.web.rights.county import County

MOST_OF_A_KIND = 6  # pages of one route: the weeks of a plan lead on for ever
START = ("/", "/account")
# What nobody of one school may find on a page of the other: names, and the names of `things` whose uids count too.
OURS = ("Dolma", "ལྷ་མོ།", "Shuanghu school", "Why ice floats")
THEIRS = ("Karma", "Nyima school")
OUR_THINGS = ("school", "group", "empty_group", "course", "lesson", "draft", "dolma", "lhamo", "job_uid", "plan_uid")
THEIR_THINGS = ("other_school", "other_group", "stranger")
SEES_BOTH = {"operator", "region"}
OF_THE_OTHER_SCHOOL = {"other_admin", "other_teacher", "other_assistant", "other_student"}


@dataclass(frozen=True)
class Page:
    """One answer, and how one came there."""

    path: str
    before: str
    answer: TestResponse

    def __str__(self) -> str:
        return f"{self.path} (from {self.before}): {self.answer.status_code}"


class Links(HTMLParser):
    """The addresses of a page: what is linked, what it loads, and where its forms go."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.loaded: list[str] = []
        self.forms: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "download" not in given and "href" in given:
            self.found.append(given["href"])
        if tag == "form" and not given.get("id", "").startswith("upload-"):  # those are sent by the script alone
            self.forms.append((given.get("method", "get").upper(), given.get("action", "")))
        self.loaded += [given[name] for name in ("src", "poster") if name in given]
        if tag == "link" and "href" in given:
            self.loaded.append(given["href"])


@pytest.mark.parametrize("where", ["hub", "box"])
@pytest.mark.parametrize("reader", ["nobody", "revoked_admin", *sorted(readers.SIGNED_IN)])
def test_everybody_can_follow_every_link(county: County, where: str, reader: str) -> None:
    app = county.apps[where]
    pages = list(_crawl(app, county.browsers[reader][0]))
    assert [str(page) for page in pages if page.answer.status_code >= 400] == []
    assert _foreign(county, reader, pages) == []
    assert [f"{page.path}: {name}" for page in pages for name in _missing_headers(page.answer)] == []
    assert sorted({dead for page in pages for dead in _dead_forms(app, page)}) == []


@pytest.mark.parametrize(
    ("reader", "reached"),
    [("admin", "/people/{dolma}"), ("admin", "/groups/{group}"), ("teacher", "/teaching/lessons/{lesson}"),
     ("student", "/lessons/{lesson}"), ("operator", "/operator/work")],
)  # fmt: skip
def test_the_links_lead_to_the_pages_that_the_reader_came_for(county: County, reader: str, reached: str) -> None:
    pages = _crawl(county.apps["hub"], county.browsers[reader][0])
    assert reached.format(**county.things) in {page.path for page in pages}


def _crawl(app: Flask, cookie: str) -> Iterator[Page]:
    """Every page that links lead to from the first one, and whatever they load."""
    client = app.test_client(use_cookies=False)
    waiting, seen = deque((path, "the beginning") for path in START), set(START)
    asked: Counter[str] = Counter()
    while waiting:
        path, before = waiting.popleft()
        kind = _route_of(app, path)
        asked[kind] += 1
        if asked[kind] > MOST_OF_A_KIND and not kind.startswith("/static/"):
            continue
        answer = client.get(path, headers={"Cookie": cookie})
        if before == "the beginning" and answer.status_code == 401:
            continue  # /account, for nobody
        yield Page(path, before, answer)
        links = Links(answer.text) if answer.mimetype == "text/html" else Links("")
        onward = [*links.found, *links.loaded, answer.headers.get("Location", "")]
        for address in (_here(path, found) for found in onward):
            if address and address not in seen and not address.startswith(("/p/", "/preview/")):  # parts want a pass, not a sign-in
                seen.add(address)
                waiting.append((address, path))
        answer.close()


def _route_of(app: Flask, path: str, method: str = "GET") -> str:
    """The route that an address belongs to; what it is refused with, where there is none."""
    try:
        found, _arguments = app.url_map.bind("localhost").match(urlsplit(path).path, method, return_rule=True)
    except HTTPException as error:
        return f"{error.code}"
    return found.rule


def _here(path: str, found: str) -> str:
    """The address on this site that a link leads to; empty for another site, and for a place on the page itself."""
    joined = urlsplit(urljoin(f"http://localhost{path}", found))
    if not found or found.startswith("#") or joined.netloc != "localhost" or joined.scheme not in {"http", "https"}:
        return ""
    return joined.path + (f"?{joined.query}" if joined.query else "")


def _foreign(county: County, reader: str, pages: list[Page]) -> list[str]:
    """What of another school stands on these pages."""
    ours = [*OURS, *(county.things[name] for name in OUR_THINGS)]
    theirs = [*THEIRS, *(county.things[name] for name in THEIR_THINGS)]
    forbidden = theirs
    if reader in SEES_BOTH:
        forbidden = []
    elif reader in OF_THE_OTHER_SCHOOL:
        forbidden = ours
    elif reader not in readers.SIGNED_IN or reader in {"far_region", "lapsed_admin"}:
        forbidden = ours + theirs
    # A box's poster hangs on its wall, with the name of its school.
    told = [page for page in pages if page.answer.mimetype == "text/html" and page.path != "/poster"]
    texts = [(page, page.answer.get_data(as_text=True)) for page in told]
    return [f"{page.path}: {word}" for page, text in texts for word in forbidden if word in text]


def _missing_headers(answer: TestResponse) -> Iterator[str]:
    left_out = http.OF_PAGES if answer.mimetype in http.LOADED else frozenset()
    for name, value in http.SECURITY_HEADERS.items():
        if name not in left_out and answer.headers.get(name) != value:
            yield name
    if "Cache-Control" not in answer.headers:
        yield "Cache-Control"
    if answer.mimetype == "text/html" and re.search(r"(?i)<[^>]+\s(?:style|on\w+)=", answer.text):
        yield "a page with a style or a script in a tag, which its policy forbids"


def _dead_forms(app: Flask, page: Page) -> Iterator[str]:
    if page.answer.mimetype != "text/html":
        return
    for method, action in Links(page.answer.text).forms:
        path = _here(page.path, action) or page.path
        if not (found := _route_of(app, path, method)).startswith("/"):
            yield f"{method} {path} on {page.path}: {found}"
