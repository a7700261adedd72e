"""Every page in a real browser, at a phone's and a desk's width, in three languages.

`--pictures` keeps pictures in .build/screenshots/ for people to look at. What is checked: nothing has to be
pushed sideways, the console is silent, the content policy is kept, targets are large enough, no word of a button breaks; in English also, by daylight and in
the dark, that axe-core finds nothing serious and that the keyboard reaches whatever a finger does.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts import credentials, people, sign_ins
from eduhub.accounts.models import Credential
from eduhub.courses import attaching, editing, materials, plan, reviewing, search
from eduhub.courses.chapters import Chapter
from eduhub.courses.models import Lesson
from eduhub.delivery.keys import make_hub_keys
from eduhub.errors import AttachmentRefused, EncodeFailed
from eduhub.installation import Installation, JobContext
from eduhub.jobs.models import JobRow
from eduhub.media import attachments, ladders
from eduhub.media.models import LadderStep, Source
from eduhub.media.recipes import WHOLE
from eduhub.sync.models import Arrival, BoxStatus, Node, NodeContact
from eduhub.sync.releases import offering
from eduhub.uids import new_uid
from eduhub.web.teaching import uploading
from tests import pictures
from tests.courses.conftest import arrive, make
from tests.in_a_thread import served
from tests.media.test_attachments import PDF
from tests.sync.releasing import publish_at
from tests.web import accessible
from tests.web.world import PASSWORD, World, add_adult, publish, watch

pytestmark = [
    pytest.mark.browser,
    # The server of these tests is Werkzeug's own, which leaves a file to the garbage collector when a
    # browser goes to the next page in the middle of it. The real server is gunicorn.
    pytest.mark.filterwarnings("ignore:.*_io.FileIO name='.*/static/:pytest.PytestUnraisableExceptionWarning"),
]
LANGUAGES = ("en", "zh", "bo")
WIDTHS = (360, 1280)
# Who opens what. {names} are fields of World, or added by `places`.
PAGES = {
    "": {"sign-in": "/sign-in", "card": "/card", "not-found": "/nowhere"},
    "tenzin": {
        "operator": "/operator", "operator-school": "/operator/organisations/new", "operator-code": "/operator/boxes/code",
        "operator-work": "/operator/work", "operator-versions": "/operator/versions", "operator-room": "/operator/schools/{school}/room",
    },
    "pema": {
        "school": "/schools/{school}", "school-people": "/schools/{school}/people", "school-class": "/groups/{group}",
        "school-child": "/people/{dolma}", "school-new-child": "/schools/{school}/children/new",
        "school-new-adult": "/schools/{school}/adults/new", "school-new-class": "/schools/{school}/groups/new",
        "school-empty-class": "/groups/{empty_group}", "school-week": "/groups/{group}/weeks/2026-11-23",
        "school-history": "/schools/{school}/history", "school-cards": "/groups/{group}/cards",
        "school-edit": "/people/{dolma}/edit", "school-leave": "/people/{dolma}/leave", "school-adult": "/people/{tashi}",
        "school-box": "/schools/{school}/boxes/{node}", "school-erase": "/people/{dolma}/erase",
        "school-calendar": "/schools/{school}/calendar",
        "school-without-card": "/schools/{school}/people?without_card=1",
        "school-week-put": "/groups/{group}/weeks/2026-11-25?period=3",
        "school-week-move": "/groups/{group}/weeks/2026-11-23?row={planned}",
        "school-children-sign-in": "/schools/{school}/children-sign-in", "school-fetching": "/schools/{school}/fetching",
    },
    "sonam": {"reviewing": "/reviewing", "reviewing-lesson": "/reviewing/lessons/{awaiting}"},
    "tashi": {
        "teaching-preview": "/teaching/lessons/{lesson}/preview",
        "teaching-watched": "/teaching/courses/{course}/watched",
        "teaching-watched-lesson": "/teaching/lessons/{lesson}/watched",
        "teaching-watched-class": "/groups/{group}/courses/{course}/watched",
        "teaching": "/teaching", "teaching-course": "/teaching/courses/{course}",
        "teaching-new-course": "/teaching/courses/new", "teaching-new-lesson": "/teaching/courses/{course}/lessons/new",
        "teaching-lesson": "/teaching/lessons/{lesson}", "teaching-draft": "/teaching/lessons/{draft}",
        "teaching-arrived": "/teaching/lessons/{lesson}/arrived", "teaching-search": "/teaching/search?q=ice+glass", "teaching-words": "/teaching/lessons/{lesson}/words", "teaching-upload": "/teaching/lessons/{awaiting}",
        "teaching-recorded": "/teaching/lessons/{recorded}", "teaching-trim": "/teaching/lessons/{recorded}/trim",
        "teaching-voices": "/teaching/lessons/{recorded}/voices",
        "teaching-voice-upload": "/teaching/lessons/{voiced}/voices",
        "teaching-captions": "/teaching/lessons/{lesson}/captions", "teaching-no-captions": "/teaching/lessons/{draft}/captions",
        "teaching-chapters": "/teaching/lessons/{lesson}/chapters",
        "teaching-attachments": "/teaching/lessons/{lesson}/attachments", "teaching-attach": "/teaching/lessons/{draft}/attachments",
        "teaching-attachment-upload": "/teaching/lessons/{awaiting}/attachments",
        "teaching-order": "/teaching/courses/{course}/order",
    },
    "dolma": {
        "child-today": "/", "child-course": "/courses/{course}", "child-lesson": "/lessons/{lesson}",
        "child-kept": "/kept", "child-kept-lesson": "/lessons/{lesson}/kept",
        "child-search": "/search?q=ice+%E6%B5%AE", "child-search-nothing": "/search?q=yak", "child-search-empty": "/search",
        "child-transcript": "/lessons/{lesson}/transcript?language=bo",
    },
}  # fmt: skip
PAGES["tenzin"] |= {"operator-sticks": "/operator/sticks", "operator-boxes": "/operator/boxes", "operator-lost-box": "/schools/{school}/boxes/{node}?wrong=name"}
PAGES["pema"] |= {
    "school-box-words": "/schools/{school}/box-words", "school-poster": "/schools/{school}/boxes/{node}/poster",
    "school-cards-lost": "/schools/{school}/cards", "school-sticks": "/schools/{school}/sticks",
}  # fmt: skip
PAGES["tenzin"]["operator-audit"] = "/operator/audit"
PAGES["pema"]["school-audit"] = "/schools/{school}/audit"
PAGES["norbu"] = {"own": "/account", "own-password": "/account/password"}
# A link in running text may be small; what stands alone may not.
SMALL_TARGETS = """() => [...document.querySelectorAll('button, .button, input:not([type=hidden]), select, textarea, summary')]
  .filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 44
    && !['checkbox', 'radio'].includes(e.type) && !e.closest('.player'))
  .map(e => e.outerHTML.slice(0, 120))"""

# A name may break between letters where it must; what a button says may not, nor a Tibetan syllable.
BROKEN_WORDS = r"""() => [...document.querySelectorAll('button, .button')].flatMap(e => {
  const texts = document.createTreeWalker(e, NodeFilter.SHOW_TEXT), broken = [], range = document.createRange();
  while (texts.nextNode())
    for (const word of texts.currentNode.data.matchAll(/[\p{L}\p{M}]+/gu)) {
      if (/\p{Script=Han}/u.test(word[0])) continue;
      range.setStart(texts.currentNode, word.index);
      range.setEnd(texts.currentNode, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(box => Math.round(box.bottom))).size > 1) broken.push(`${word[0]} in ${e.innerText}`);
    }
  return broken;
})"""


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The hub, served on this machine."""
    with served(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def places(installation: Installation, world: World, tmp_path: Path) -> dict[str, str]:
    """The world, and lessons whose recordings are awaited, half made, failed, or have further voices."""
    found = dict(vars(world))
    with installation.database.write() as session:
        found["tashi"] = people.called(session, "tashi")[0].uid
        norbu = people.called(session, "norbu")[0]
        held = session.get_one(Credential, credentials.password_of(session, norbu.uid))
        sign_ins.start(session, held).browser = "Chrome · Android"
        for name, title in (("awaiting", "Dew"), ("recorded", "Rain"), ("voiced", "Hail")):
            lesson = editing.add_lesson(session, course_uid=world.course, titles={"en": title}, language="zh")
            found[name] = lesson.uid
        for person, from_s, to_s in ((world.dolma, 0, 61), (world.dolma, 20, 40), (world.lhamo, 0, 33), (world.lhamo, 20, 30)):
            watch(session, world.lesson, person, world.school, from_s, to_s)
        add_adult(session, "Sonam", world.school, "reviewer", "course", world.course)
        reviewing.hand_in(session, session.get_one(Lesson, found["awaiting"]), None)
        reviewing.hand_in(session, session.get_one(Lesson, world.draft), None)
        reviewing.send_back(session, session.get_one(Lesson, world.draft), "Please say at the beginning what steam is.", None)
        uploading.announce(session, session.get_one(Lesson, found["awaiting"]))
        for name in ("recorded", "voiced"):
            source_uid = arrive(session, found[name], name)
            ladders.want(session, session.get_one(Source, source_uid), WHOLE, then=None)
            make(session, installation, source_uid, WHOLE.id, "floor", recording=name)
        editing.add_sound(session, found["voiced"], new_uid(), "bo")
        step = session.get_one(LadderStep, (source_uid, WHOLE.id, "v240"))
        step.state, step.error = "failed", {"code": EncodeFailed.code, "facts": {}}
        job = session.get_one(JobRow, step.job_uid)
        job.state, job.ended_ms, job.error_code = "failed", 1, EncodeFailed.code
        for day, period in (("2026-11-23", 2), ("2026-11-23", 4), ("2026-11-26", 4), ("2026-11-28", None)):
            row = plan.add(session, group_uid=world.group, lesson_uid=world.lesson, day=day, period=period)
        plan.add(session, group_uid=world.group, lesson_uid=world.lesson, day="2026-11-26", period=4)
        plan.add(session, group_uid=world.group, lesson_uid=world.lesson, day="2026-11-17", period=1)
        found["planned"] = row.uid
        add_captions(session, installation, world.lesson)
        found["tashi"] = people.called(session, "tashi")[0].uid
        found["node"] = add_box(session, world)
        lose_a_box(session, world)
        given = credentials.give_box_word_after(session, found["tashi"], world.school, credentials.new_box_word(), "", clock.today())
        assert given
        session.info["by_uid"] = people.called(session, "pema")[0].uid
        people.change(session, world.dolma, name="Dolma Lhamo", language="bo")
        people.change(session, world.dolma, name="Dolma")
        attaching.announce(session, found["awaiting"], title="Words to learn", language="en", audience="teacher")
        add_attachments(session, installation, world.lesson)
        sound_uid = arrive(session, found["recorded"], "a voice", language="bo", purpose="sound")
        session.get_one(Source, sound_uid).file_name = "03_the_voice_of_grandmother_about_rain_2026-11-23.m4a"
        lesson = session.get_one(Lesson, world.lesson)
    publish(installation, lesson, revision=2, materials=True)
    offer_a_version(installation, world, found["node"], tmp_path / "wheels")
    search.refresh(JobContext(installation, "", lambda _share: None))
    return found


def offer_a_version(installation: Installation, world: World, node_uid: str, folder: Path) -> None:
    """A version that a box could not put in, and that the rest of its school is held back from."""
    with installation.database.write() as session:
        make_hub_keys(session, installation.keys)
    row = publish_at(installation, "0.5.0", folder)
    with installation.database.write() as session:
        offering.offer(session, release_id=row.id, node_uid=node_uid)
        offering.pause(session, offering.offer(session, release_id=row.id, org_uid=world.school).uid, paused=True)
        said = {"format": "eduhub-box-status/1", "made_steady_s": 1, "lamp": "green", "release": "failed 0.5.0 unwell"}
        session.merge(BoxStatus(node_uid=node_uid, said=said, told_ms=clock.now_ms()))


def add_captions(session: Session, installation: Installation, lesson_uid: str) -> None:
    """Captions and chapters of the lesson that children see, and captions of the video before."""
    text = "WEBVTT\n\n00:01.000 --> 00:04.000\n{}\n\n01:05.000 --> 01:09.000\n{}\n".format
    for language, lines in (("bo", ("ཆུའི་ནང་འཁྱགས་པ་གཡེང་བ་ཅིའི་ཕྱིར་ཡིན་ནམ།", "འཁྱགས་པ་ནི་ཆུ་ལས་ཡང་བ་ཡིན།")), ("zh", ("冰为什么浮在水上？", "冰比水轻。"))):
        row = materials.set_captions(session, installation.blobs, lesson_uid, language, text(*lines).encode())
    row.timeline_uid = new_uid()
    materials.set_captions(session, installation.blobs, lesson_uid, "zh", text(*lines).encode())
    chapters = [Chapter(0, "What floats"), Chapter(65_000, "Ice is lighter than water")]
    materials.set_chapters(session, lesson_uid, "en", chapters)


def add_attachments(session: Session, installation: Installation, lesson_uid: str) -> None:
    """A worksheet that was checked, one that was refused, and one for teachers that is being looked at."""
    blob = installation.blobs.put_bytes(PDF)
    for title, state in (("Worksheet: what floats", "checked"), ("Picture of the glass", "refused"), ("Answers", "arrived")):
        audience = "teacher" if state == "arrived" else "learner"
        row = attaching.announce(session, lesson_uid, title=title, language="en", audience=audience)
        session.add(Source(
            uid=row.source_uid, org_uid=row.org_uid, file_name=title, language="en", state=state, sha256=blob.sha256,
            bytes=blob.bytes, made_ms=0, probe={"type": "application/pdf", "pieces": None},
            refusal={"code": AttachmentRefused.code, "facts": {"reason": attachments.TOO_MANY_PIXELS}},
        ))  # fmt: skip


def add_box(session: Session, world: World) -> str:
    """A box of the school that has called, three days ago, and said that its disk is full."""
    node = Node(
        org_uid=world.school, site_uid=new_uid(), name="shuanghu-1", signing_public="00", sealing_public="00", certificate={},
        revoked_on=None,
    )  # fmt: skip
    session.add(node)
    called_ms = clock.now_ms() - 3 * 24 * 3600 * 1000 - 1000
    session.add(NodeContact(
        node_uid=node.uid, last_ms=called_ms, version="0.4", stream_sequence=0, catalog_sequence=0, disk_full_ms=called_ms
    ))  # fmt: skip
    package_id = session.get_one(Lesson, world.lesson).package_id
    session.add(Arrival(node_uid=node.uid, lesson_uid=world.lesson, package_id=package_id, revision=1, told_ms=called_ms))
    return node.uid


def lose_a_box(session: Session, world: World) -> None:
    """A box of the school that was shut out, and with it a child's card."""
    session.add(Node(
        org_uid=world.school, site_uid=new_uid(), name="shuanghu-0", signing_public="01", sealing_public="01", certificate={},
        revoked_on="2026-11-25",
    ))  # fmt: skip
    session.flush()
    credentials.revoke(session, credentials.card_of(session, world.lhamo))


@pytest.mark.parametrize(
    "reader", [pytest.param(reader, marks=[] if reader in ("", "dolma") else pytest.mark.thorough) for reader in PAGES]
)
def test_every_page_fits_is_silent_and_keeps_its_policy(
    reader: str, chromium: Browser, address: str, world: World, places: dict[str, str]
) -> None:
    for language in LANGUAGES:
        context = chromium.new_context(locale={"en": "en-GB", "zh": "zh-CN", "bo": "bo-CN"}[language])
        context.add_cookies([{"name": "eduhub_language", "value": language, "url": address}])
        page = context.new_page()
        wrong: list[str] = []
        page.on("console", lambda said, wrong=wrong: said.type in {"error", "warning"} and wrong.append(said.text))
        page.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
        sign_in(page, address, reader, world)
        for name, path in PAGES[reader].items():
            look(page, f"{address}{path.format(**places)}", f"{name}-{language}", wrong)
        assert [text for text in wrong if "404 (NOT FOUND)" not in text] == []
        context.close()


def sign_in(page: Page, address: str, reader: str, world: World) -> None:
    """As a person would: a child with the code of the card, an adult with name and password."""
    if reader == "dolma":
        # The square of the card leads here: the token is in the fragment, and gone from the address at once.
        page.goto(f"{address}/card#{world.dolma_card}")
        page.wait_for_url(f"{address}/")
    elif reader:
        page.goto(f"{address}/sign-in")
        page.fill("[name=sign_in_name]", reader)
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_url(lambda url: "sign-in" not in url)


def look(page: Page, address: str, name: str, wrong: list[str]) -> None:
    for width in reversed(WIDTHS):
        page.set_viewport_size({"width": width, "height": 740})
        page.goto(address)
        pictures.keep_by_day_and_night(page, f"{name}-{width}")
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append(f"{name} has to be pushed sideways at {width} px")
        wrong += [f"{name}: smaller than 44 px: {found}" for found in page.evaluate(SMALL_TARGETS)]
        wrong += [f"{name}: broken between letters at {width} px: {found}" for found in page.evaluate(BROKEN_WORDS)]
    language = name.rsplit("-", 1)[1]
    assert page.get_attribute("html", "lang") == language
    if language == "en":
        wrong += [f"{name}: the keyboard does not reach {found}" for found in accessible.out_of_reach(page)]
        wrong += [f"{name}: {found}" for found in accessible.serious(page)]
        page.emulate_media(color_scheme="dark")
        wrong += [f"{name} in the dark: {found}" for found in accessible.serious(page, "color-contrast")]
        page.emulate_media(color_scheme="light")

