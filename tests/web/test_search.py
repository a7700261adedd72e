"""Search on the pages: who finds what, where it leads, and what is said when nothing is found."""

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from eduhub.courses import editing, search
from eduhub.courses.models import Lesson
from eduhub.installation import Installation, JobContext
from tests.courses.test_search import VTT
from tests.web.world import Reader, World, publish

Browser = Callable[[], Reader]


@pytest.fixture
def words(installation: Installation, world: World) -> Callable[[], int]:
    """Brings the index up to date, as the worker does every few seconds."""
    return lambda: search.refresh(JobContext(installation, "", lambda _share: None))


def add(session: Session, world: World, title: str) -> Lesson:
    return editing.add_lesson(session, course_uid=world.course, titles={"zh": title}, language="zh")


def test_a_child_finds_a_lesson_by_a_word_of_any_of_its_languages(
    browser: Browser, world: World, words: Callable[[], int]
) -> None:
    words()
    dolma = browser().card(world.dolma_card)
    assert 'action="/search"' in dolma.get("/").text
    for query in ("浮起来", "floats", "glass water"):
        page = dolma.get("/search", query_string={"q": query}).text
        assert f'href="/lessons/{world.lesson}"' in page
    page = dolma.get("/search?q=浮").text
    assert '<span lang="zh">冰为什么<mark>浮</mark>起来</span>' in page
    assert 'value="浮"' in page


def test_a_word_that_is_said_leads_to_its_moment(
    browser: Browser, world: World, installation: Installation, words: Callable[[], int]
) -> None:
    with installation.database.write() as session:
        said = add(session, world, "天气")
    publish(installation, said, captions=VTT.encode())
    words()
    page = browser().card(world.dolma_card).get("/search?q=冰").text
    assert f'<a href="/lessons/{said.uid}#t=3602">1:00:02</a>' in page
    assert page.index(world.lesson) < page.index(said.uid)


def test_nobody_finds_what_they_may_not_watch(browser: Browser, world: World, words: Callable[[], int]) -> None:
    words()
    for reader in (browser(), browser().card(world.stranger_card), browser().sign_in("norbu")):
        assert world.lesson not in reader.get("/search?q=floats").text
    assert world.draft not in browser().card(world.dolma_card).get("/search?q=steam").text
    assert browser().card(world.dolma_card).get("/teaching/search?q=steam").status_code == 403


def test_an_open_course_is_found_without_signing_in(
    browser: Browser, world: World, installation: Installation, words: Callable[[], int]
) -> None:
    with installation.database.write() as session:
        editing.change_course(session, world.course, audience="open")
    words()
    assert world.lesson in browser().get("/search?q=floats").text


def test_a_teacher_finds_drafts_of_her_courses_with_their_states(
    browser: Browser, world: World, words: Callable[[], int]
) -> None:
    words()
    tashi = browser().sign_in("tashi")
    assert 'action="/teaching/search"' in tashi.get("/teaching").text
    page = tashi.get("/teaching/search?q=steam").text
    assert f'href="/teaching/lessons/{world.draft}"' in page
    assert "draft" in page
    assert world.draft not in browser().sign_in("norbu").get("/teaching/search?q=steam").text


def test_nothing_found_says_what_to_try(browser: Browser, world: World, words: Callable[[], int]) -> None:
    words()
    dolma = browser().card(world.dolma_card)
    assert "Try fewer words" in dolma.get("/search?q=yak").text
    assert "Type a word" in dolma.get("/search?q=%3F").text
    assert "Type a word" in dolma.get("/search").text


def test_words_that_a_stranger_put_into_the_address_are_text_and_not_compressed(
    browser: Browser, world: World, words: Callable[[], int]
) -> None:
    words()
    answer = browser().card(world.dolma_card).get('/search?q="><b>floats', headers={"Accept-Encoding": "br, gzip"})
    assert "<b>" not in answer.text
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_many_lessons_come_page_by_page_and_keep_the_words(
    browser: Browser, world: World, installation: Installation, words: Callable[[], int]
) -> None:
    with installation.database.write() as session:
        for number in range(41):
            add(session, world, f"第{number}课")
    words()
    tashi = browser().sign_in("tashi")
    first = tashi.get("/teaching/search?q=课").text
    assert "41 lessons" in first
    assert 'href="?q=%E8%AF%BE&amp;page=2"' in first
    last = tashi.get("/teaching/search?q=课&page=3").text
    assert last.count('<div class="what">') == 1


def test_another_language_keeps_the_words(browser: Browser, world: World, words: Callable[[], int]) -> None:
    words()
    dolma = browser().card(world.dolma_card)
    page = dolma.get("/search?q=浮").text
    assert 'name="back" value="/search?q=%E6%B5%AE"' in page
    answer = dolma.post("/language", {"language": "bo", "back": "/search?q=%E6%B5%AE"}, page="/search?q=浮")
    assert answer.headers["Location"] == "/search?q=%E6%B5%AE"
