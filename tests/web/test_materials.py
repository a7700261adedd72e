"""Tashi adds captions and chapters to her lesson; Dolma finds them on its page and reads what is said."""

import re
from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from eduhub.courses.models import Lesson
from eduhub.installation import Installation
from eduhub.uids import new_uid
from tests.courses.conftest import prepare
from tests.web.world import Reader, World, publish

Browser = Callable[[], Reader]
VTT = "WEBVTT\n\n00:01.000 --> 00:04.000\n{}\n\n01:05.500 --> 01:09.000\n{}\n".format
TIBETAN = VTT("འཁྱགས་པ་གཡེང་།", "ཆུ་ལས་ཡང་། <b>")


@pytest.fixture
def tashi(browser: Browser) -> Reader:
    return browser().sign_in("tashi")


@pytest.fixture
def recorded(installation: Installation, world: World) -> str:
    """The lesson that children see, made of a recording, so that it can be published anew."""
    with installation.database.write() as session:
        prepare(session, installation, world.lesson)
    return world.lesson


def send(tashi: Reader, lesson: str, payload: bytes | None, language: str = "bo") -> TestResponse:
    """The form as a browser sends it. (The test client would leave a large body to the garbage collector.)"""
    page = f"/teaching/lessons/{lesson}/captions"
    fields = {'name="csrf_token"': tashi.csrf(page).encode(), 'name="language"': language.encode()}
    if payload is not None:
        fields['name="file"; filename="lesson.vtt"'] = payload
    parts = [b"--edge\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (name.encode(), value) for name, value in fields.items()]
    body = b"".join([*parts, b"--edge--\r\n"])
    return tashi.client.post(page, data=body, content_type="multipart/form-data; boundary=edge")


def test_captions_go_out_at_once_and_stand_in_the_page_and_on_one_of_their_own(
    tashi: Reader, browser: Browser, world: World, recorded: str
) -> None:
    answer = send(tashi, recorded, TIBETAN.encode())
    assert answer.status_code == 303, answer.text
    assert send(tashi, recorded, VTT("冰浮起来。", "冰比水轻。").encode("gb18030"), "zh").status_code == 303
    listed = tashi.get(f"/teaching/lessons/{recorded}/captions").text
    assert listed.count("2 lines") == 2
    dolma = browser().card(world.dolma_card)
    page = dolma.get(f"/lessons/{recorded}").text
    tracks = re.findall(r'<track kind="captions" srclang="(\w+)" label="([^"]+)" src="(/p/[^"]+)">', page)
    assert [track[:2] for track in tracks] == [("bo", "བོད་ཡིག"), ("zh", "中文")]
    text = dolma.get(f"/lessons/{recorded}/transcript?language=bo")
    assert text.headers["Cache-Control"] == "no-store"
    assert f'<a href="/lessons/{recorded}#t=65.5" data-at="65.5">1:05</a><span>ཆུ་ལས་ཡང་།' in text.text
    assert '<ol class="moments" lang="bo">' in text.text
    assert "冰比水轻" in dolma.get(f"/lessons/{recorded}/transcript").text
    with dolma.get(tracks[1][2]) as served:
        assert served.headers["Content-Type"].startswith("text/vtt")
        assert "冰浮起来。" in served.data.decode()


def test_what_stands_in_captions_is_never_markup(tashi: Reader, browser: Browser, world: World, recorded: str) -> None:
    send(tashi, recorded, VTT("&lt;script&gt;x", "a&amp;lt;b").encode())
    text = browser().card(world.dolma_card).get(f"/lessons/{recorded}/transcript").text
    assert "&lt;script&gt;x" in text
    assert "<script>x" not in text


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"<!doctype html>\n<p>", "Line 1: a time like 00:01.000 --&gt; 00:04.000 was expected here."),
        (b"1\n00:00:09,000 --> 00:00:08,000\na\n", "Line 2: it ends before it begins."),
        (b"0:1-->0:2\na\n" * 10_001, "Line 20001: there are more captions than a lesson can have."),
        (b"x" * (513 << 10), "Line 1: it is larger than the captions of a lesson are."),
        (None, "Choose a file."),
    ],
    ids=["page", "backwards", "too many", "too large", "none"],
)
def test_a_file_that_is_none_is_refused_with_its_line(
    tashi: Reader, world: World, payload: bytes | None, said: str
) -> None:
    answer = send(tashi, world.lesson, payload)
    assert answer.status_code == 400
    assert said in answer.text


def test_a_file_of_many_megabytes_is_refused_before_it_is_read(tashi: Reader, world: World) -> None:
    answer = send(tashi, world.lesson, b"x" * (3 << 20))
    assert answer.status_code == 413
    assert "A file with captions has at most 512 KB" in answer.text


def test_captions_of_an_earlier_video_are_said_to_be_kept_and_can_be_shown_again(
    tashi: Reader, browser: Browser, world: World, recorded: str, installation: Installation
) -> None:
    send(tashi, recorded, TIBETAN.encode())
    with installation.database.write() as session:
        session.get_one(Lesson, recorded).timeline_uid = new_uid()
    page = f"/teaching/lessons/{recorded}/captions"
    shown = tashi.get(page).text
    assert "Of an earlier video" in shown
    assert "This lesson has no captions yet." in shown
    use = re.search(rf'action="({page}/[^"]+/use)"', shown)
    assert use
    assert tashi.post(use[1], page=page).status_code == 303
    drop = re.search(rf'action="({page}/[^"]+/drop)"', tashi.get(page).text)
    assert drop
    assert "<track" in browser().card(world.dolma_card).get(f"/lessons/{recorded}").text
    assert tashi.post(drop[1], page=page).status_code == 303
    assert "<track" not in browser().card(world.dolma_card).get(f"/lessons/{recorded}").text


def test_chapters_are_typed_one_a_line_and_lead_to_their_places(
    tashi: Reader, browser: Browser, world: World, recorded: str
) -> None:
    page = f"/teaching/lessons/{recorded}/chapters"
    typed = {"chapters_en": "1:05.5  Ice <floats>\n\n0:00 - Water\n", "chapters_zh": "１：０５　冰浮起来", "chapters_bo": ""}
    assert tashi.post(page, typed, page=page).status_code == 303
    shown = browser().card(world.dolma_card).get(f"/lessons/{recorded}").text
    assert '<a href="#t=0" data-at="0"><span>0:00</span> Water</a>' in shown
    assert '<a href="#t=65.5" data-at="65.5"><span>1:05</span> Ice &lt;floats&gt;</a>' in shown
    assert shown.index("Water</a>") < shown.index("Ice &lt;")
    again = tashi.get(page).text
    assert "0:00 Water\n1:05.5 Ice &lt;floats&gt;" in again.replace("\r\n", "\n")
    assert "1:05 冰浮起来" in again


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("0:00 Water\nlater Ice", "Line 2: write a time and a title, for example 3:20 Ice floats."),
        ("\n0:10", "Line 2: the title is missing."),
        ("0:10 " + "x" * 200, "Line 1: the title is too long."),
    ],
)
def test_a_line_that_is_no_chapter_is_named_and_everything_typed_is_kept(
    tashi: Reader, world: World, typed: str, said: str
) -> None:
    page = f"/teaching/lessons/{world.lesson}/chapters"
    answer = tashi.post(page, {"chapters_en": typed, "chapters_zh": "0:00 水"}, page=page)
    assert answer.status_code == 400
    assert said in answer.text
    assert "0:00 水" in answer.text
    assert "What you typed is still here." in answer.text


def test_who_may_not_read_the_lesson_does_not_read_what_is_said(browser: Browser, world: World, recorded: str) -> None:
    assert browser().get(f"/lessons/{recorded}/transcript").status_code == 401
    assert browser().card(world.stranger_card).get(f"/lessons/{recorded}/transcript").status_code == 403


def test_the_lesson_page_stays_light_with_captions_and_a_hundred_chapters(
    tashi: Reader, browser: Browser, world: World, recorded: str, installation: Installation
) -> None:
    long = "WEBVTT\n\n" + "".join(f"{i // 60}:{i % 60:02}.000 --> 99:00.000\n{'ཆུ་' * 20}\n\n" for i in range(900))
    send(tashi, recorded, long.encode())
    page = f"/teaching/lessons/{recorded}/chapters"
    typed = "\n".join(f"{i // 60}:{i % 60:02} Chapter {i}" for i in range(100))
    assert tashi.post(page, {"chapters_en": typed}, page=page).status_code == 303
    dolma = browser().card(world.dolma_card)
    sent = dolma.get(f"/lessons/{recorded}", headers={"Accept-Encoding": "gzip"})
    assert len(sent.data) < 20_000
    assert "ཆུ་ཆུ་" not in dolma.get(f"/lessons/{recorded}").text


def test_a_box_shows_captions_from_the_package_alone(
    tashi: Reader, browser: Browser, world: World, installation: Installation
) -> None:
    send(tashi, world.lesson, TIBETAN.encode())
    with installation.database.read() as session:
        lesson = session.get_one(Lesson, world.lesson)
    dolma = browser().card(world.dolma_card)
    assert "This lesson has no captions to read." in dolma.get(f"/lessons/{world.lesson}/transcript").text
    publish(installation, lesson, revision=2, materials=True)
    assert "འཁྱགས་པ་གཡེང་།" in dolma.get(f"/lessons/{world.lesson}/transcript").text


def test_a_video_that_is_sent_as_captions_is_told_how_large_captions_may_be(tashi: Reader, recorded: str) -> None:
    page = f"/teaching/lessons/{recorded}/captions"
    body = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="lesson.mp4"\r\n\r\n' + bytes(2 << 20) + b"\r\n--edge--\r\n"
    answer = tashi.client.post(page, data=body, content_type="multipart/form-data; boundary=edge")
    assert answer.status_code == 413
    assert "at most 512 KB" in answer.text
