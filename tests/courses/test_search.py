"""What a search finds on either engine, and how the index keeps up with the lessons."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from eduhub import changes, config
from eduhub.courses import editing, search
from eduhub.courses.models import Lesson
from eduhub.courses.search import indexing, tables
from eduhub.courses.search.tokens import terms_of, tokens_of
from eduhub.delivery import holding, package
from eduhub.delivery.models import PackageRow, PartRow
from eduhub.delivery.package import Manifest, Part
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation, JobContext
from tests.courses.conftest import House

VTT = """WEBVTT

00:00:01.000 --> 00:00:04.000
今天学习水的三种状态

00:00:05.000 --> 00:00:09.500
ཆུ་དང་འཁྱགས་པ། <i>ice</i> &amp; water

01:00:02.000 --> 01:00:03.000
冰
"""


def context(here: Installation) -> JobContext:
    return JobContext(here, "test", lambda _share: None)


def found(here: Installation, query: str) -> list[str]:
    with here.database.read() as session:
        return [one.lesson_uid for one in search.find(session, terms_of(query))]


def add(session: Session, house: House, titles: dict[str, str], texts: dict[str, str] | None = None) -> str:
    return editing.add_lesson(session, course_uid=house.course, titles=titles, texts=texts, language="zh").uid


def bring_out(here: Installation, lesson_uid: str, vtt: str, revision: int = 1, audience: str = "learner") -> str:
    """A package of the lesson that has captions and next to nothing else; returns its id."""
    part = Part(
        name="captions-zh",
        kind="captions",
        role="main",
        language="zh",
        audience=audience,
        licence=None,
        type="text/vtt",
        codec=None,
        bytes=len(vtt.encode()),
        sha256=here.blobs.put_bytes(vtt.encode()).sha256,
        pieces=None,
        floor=False,
    )
    voice = here.blobs.put_bytes(b"a" * 400)
    floor = replace(
        part, name="aac", kind="audio", audience="learner", type="audio/mp4", bytes=400, sha256=voice.sha256, floor=True
    )
    with here.database.write() as session:
        lesson = session.get_one(Lesson, lesson_uid)
        manifest = Manifest(
            hub=keyring(session).hub_uid,
            lesson=lesson.uid,
            course=lesson.course_uid,
            org=lesson.org_uid,
            revision=revision,
            timeline=lesson.timeline_uid,
            supersedes=None,
            language="zh",
            titles=lesson.titles,
            texts=lesson.texts,
            audience="own",
            duration_ms=60_000,
            parts=(floor, part),
            extra={"chapters": {"bo": [{"at_ms": 3000, "title": "ཆུ་རྐྱན།"}], "x": 3}},
        ).to_bytes()
        row = holding.hold(session, here.blobs, manifest, package.sign(manifest, here.keys.publishing))
        holding.reveal_present(session, here.blobs, row.id)
        lesson.state, lesson.package_id, lesson.revision = "published", row.id, revision
        return row.id


def test_titles_come_before_texts_and_texts_before_what_is_said(installation: Installation, house: House) -> None:
    with installation.database.write() as session:
        said = add(session, house, {"zh": "天气"})
        written = add(session, house, {"zh": "自然"}, {"zh": "准备一杯水。\n再看三种状态。"})
        titled = add(session, house, {"zh": "水", "bo": "ཆུ།"})
        add(session, house, {"zh": "火"})
    bring_out(installation, said, VTT)
    assert search.refresh(context(installation)) == 4
    assert found(installation, "水") == [titled, written, said]
    assert found(installation, "三种 水") == [written, said]
    assert found(installation, "ཆུ") == [titled, said]
    assert found(installation, "ཆུ་རྐྱན") == [said]
    assert found(installation, "水 火") == []
    assert found(installation, "?!") == []


def test_a_word_that_is_said_is_shown_with_its_moment(installation: Installation, house: House) -> None:
    with installation.database.write() as session:
        said = add(
            session, house, {"zh": "天气", "en": "Weather"}, {"en": "Ice " + "and something long to read " * 20 + "ice"}
        )
    bring_out(installation, said, VTT)
    search.refresh(context(installation))
    with installation.database.read() as session:
        words, moment = search.passages(session, terms_of("ice"), [said])[said]
    assert (moment.at_ms, moment.language, moment.place) == (5000, "zh", indexing.SPOKEN)
    assert moment.text == "ཆུ་དང་འཁྱགས་པ། ice & water"
    assert [piece for piece, is_wanted in moment.pieces if is_wanted] == ["ice"]
    assert words.pieces[0] == ("Ice", True)
    assert words.text.endswith("…")
    assert len(words.text) <= 125


def test_the_index_follows_what_is_written_published_replaced_and_erased(
    installation: Installation, house: House
) -> None:
    with installation.database.write() as session:
        uid = add(session, house, {"zh": "天气"})
        assert search.is_stale(session)
    search.refresh(context(installation))
    with installation.database.write() as session:
        assert not search.is_stale(session)
        editing.change_lesson(session, uid, titles={"zh": "冰川"})
        assert search.is_stale(session)
    assert search.refresh(context(installation)) == 1
    assert (found(installation, "天气"), found(installation, "冰川")) == ([], [uid])
    first = bring_out(installation, uid, VTT)
    search.refresh(context(installation))
    assert found(installation, "三种") == [uid]
    bring_out(installation, uid, VTT.replace("三种", "几种"), revision=2)
    search.refresh(context(installation))
    assert (found(installation, "三种"), found(installation, "几种")) == ([], [uid])
    with installation.database.write() as session:
        for package_id in session.scalars(PackageRow.__table__.select().with_only_columns(PackageRow.id)):
            holding.withdraw(session, package_id)
    search.refresh(context(installation))
    assert (found(installation, "几种"), found(installation, "冰川")) == ([], [uid])
    assert first
    with installation.database.write() as session:
        changes.erase(session, session.get_one(Lesson, uid))
        assert search.is_stale(session)
    assert search.refresh(context(installation)) == 1
    assert found(installation, "冰川") == []
    with installation.database.read() as session:
        assert session.execute(tables.TEXT.select()).all() == []


def test_captions_are_found_when_they_have_arrived_and_not_before(installation: Installation, house: House) -> None:
    with installation.database.write() as session:
        uid = add(session, house, {"zh": "天气"})
    package_id = bring_out(installation, uid, VTT)
    with installation.database.write() as session:
        part = session.query(PartRow).filter_by(package_id=package_id, kind="captions").one()
        part.held = False
        sha256 = part.sha256
    search.refresh(context(installation))
    assert found(installation, "状态") == []
    with installation.database.write() as session:
        holding.part_arrived(session, installation.blobs, package_id, sha256)
    with installation.database.read() as session:
        assert search.is_stale(session)
    search.refresh(context(installation))
    assert found(installation, "状态") == [uid]


def test_what_is_for_teachers_alone_is_not_found(installation: Installation, house: House) -> None:
    with installation.database.write() as session:
        uid = add(session, house, {"zh": "天气"})
    bring_out(installation, uid, VTT, audience="teacher")
    search.refresh(context(installation))
    assert found(installation, "状态") == []
    assert found(installation, "天气") == [uid]


def test_a_lesson_that_a_box_takes_in_is_found(
    installation: Installation, house: House, make_installation: Callable[..., Installation]
) -> None:
    with installation.database.write() as session:
        uid = add(session, house, {"bo": "འཁྱགས་པ།"})
        written = changes.versions(session, "lesson", uid)
    box = make_installation(role="node")
    with box.database.write() as session:
        changes.merge(session, written)
    search.refresh(context(box))
    assert found(box, "འཁྱགས་པ") == [uid]


def test_an_index_that_was_lost_or_is_of_another_recipe_is_made_anew(
    installation: Installation, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with installation.database.write() as session:
        uid = add(session, house, {"zh": "天气"})
    assert found(installation, "天气") == []  # before there is any
    search.refresh(context(installation))
    with installation.database.write() as session:
        session.execute(text("DROP TABLE search_index"))
    assert search.rebuild(context(installation)) == 1
    assert found(installation, "天气") == [uid]
    monkeypatch.setattr(indexing, "RECIPE", 0)
    with installation.database.read() as session:
        assert search.is_stale(session)
    assert search.refresh(context(installation)) == 1
    assert found(installation, "天气") == [uid]


def test_a_renamed_machine_looks_through_its_lessons_once(installation: Installation, house: House) -> None:
    search.refresh(context(installation))
    with installation.database.write() as session:
        changes.renew_machine(session)
        assert search.is_stale(session)


def test_captions_that_cannot_be_read_hide_no_title(installation: Installation, house: House) -> None:
    with installation.database.write() as session:
        uid = add(session, house, {"zh": "天气"})
    bring_out(installation, uid, "no captions at all")
    search.refresh(context(installation))
    assert found(installation, "天气") == [uid]


TEXTS = st.text(alphabet="水冰学a1é སློབ་འི་།-'\\\"", max_size=24)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(titles=st.lists(TEXTS, min_size=1, max_size=4), query=TEXTS)
def test_both_engines_find_what_plain_reading_finds(
    installation: Installation, house: House, titles: list[str], query: str
) -> None:
    terms = terms_of(query)
    with installation.database.write() as session:
        for row in session.query(Lesson).all():
            changes.erase(session, row)
        uids = {add(session, house, {"zh": f"{title}。"}): title for title in titles}
    search.refresh(context(installation))
    read = [
        uid for uid, title in uids.items()
        if terms and all(any(term.fits(tokens_of(title), at) for at in range(len(tokens_of(title)))) for term in terms)
    ]  # fmt: skip
    assert sorted(found(installation, query)) == sorted(read)


def test_a_very_long_text_is_found_to_its_end(installation: Installation, house: House) -> None:
    with installation.database.write() as session:
        uid = add(session, house, {"zh": "天气"}, {"zh": "哈" * 4000 + "冰川", "en": "la " * 1000 + "glacier"})
    search.refresh(context(installation))
    assert found(installation, "冰川") == found(installation, "glacier") == found(installation, "哈哈哈") == [uid]


def test_the_operator_makes_the_index_anew_by_a_command(installation: Installation, house: House) -> None:
    with installation.database.write() as session:
        uid = add(session, house, {"zh": "天气"})
    search.refresh(context(installation))
    with installation.database.write() as session:
        session.execute(text("DROP TABLE search_index"))
    told = subprocess.run(
        [sys.executable, "-m", "eduhub", "search", "rebuild"], env=config.as_environment(installation.settings),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "1 lessons can be found" in told.stdout
    assert found(installation, "天气") == [uid]
