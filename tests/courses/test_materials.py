"""Captions and chapters become parts of the next package, and belong to the time axis they were written for."""

import pytest

from eduhub.courses import captions, chapters, editing, materials, publishing, recordings
from eduhub.courses.chapters import Chapter
from eduhub.courses.models import Lesson, LessonCaptions
from eduhub.delivery import package
from eduhub.delivery.models import BlobRow, PackageRow, PartRow
from eduhub.delivery.package import Manifest
from eduhub.errors import BadInput, CaptionsRefused, ChaptersRefused, NotFound
from eduhub.installation import Installation
from tests.courses.conftest import House, add_lesson, make, prepare

VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\n{}\n".format
ICE = [Chapter(200_000, "冰浮起来"), Chapter(0, "开始")]


@pytest.fixture
def lesson(installation: Installation, house: House) -> str:
    """A lesson whose video is prepared and published."""
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        prepare(session, installation, uid)
        publishing.publish(session, installation, uid, None)
    return uid


def caption(installation: Installation, lesson: str, language: str = "bo", text: str = "ཆུ།") -> str:
    with installation.database.write() as session:
        row = materials.set_captions(session, installation.blobs, lesson, language, VTT(text).encode())
        publishing.renew(session, installation, lesson, None)
        return row.uid


def manifest(installation: Installation, lesson: str) -> Manifest:
    with installation.database.read() as session:
        return Manifest.from_bytes(session.get_one(PackageRow, session.get_one(Lesson, lesson).package_id).manifest)


def captioned(installation: Installation, lesson: str) -> list[str | None]:
    return [part.language for part in manifest(installation, lesson).parts if part.kind == "captions"]


def test_captions_are_a_part_of_the_next_revision_and_lie_beside_the_video(installation, lesson):
    before = manifest(installation, lesson)
    caption(installation, lesson)
    found = manifest(installation, lesson)
    assert found.revision == before.revision + 1
    assert found.timeline == before.timeline
    part = next(part for part in found.parts if part.kind == "captions")
    assert (part.name, part.type, part.language, part.audience, part.floor) == (
        "captions-bo", "text/vtt", "bo", "learner", False,
    )  # fmt: skip
    file = installation.packages_dir / package.id_of(found.to_bytes()) / part.sha256
    assert captions.parse(file.read_bytes()) == captions.parse(VTT("ཆུ།").encode())
    with installation.database.read() as session:
        assert session.get_one(PartRow, (package.id_of(found.to_bytes()), part.sha256)).held
        assert part.sha256 in materials.blobs_in_use(session)
        assert session.get(BlobRow, part.sha256) is not None


def test_the_same_file_again_makes_no_new_revision_and_another_takes_its_place(installation, lesson):
    caption(installation, lesson)
    revision = manifest(installation, lesson).revision
    caption(installation, lesson)
    assert manifest(installation, lesson).revision == revision
    caption(installation, lesson, text="འཁྱགས།")
    assert manifest(installation, lesson).revision == revision + 1
    caption(installation, lesson, "zh", "水")
    assert captioned(installation, lesson) == ["bo", "zh"]


def test_dropped_captions_are_gone_from_the_next_revision(installation, lesson):
    uid = caption(installation, lesson)
    with installation.database.write() as session:
        materials.drop_captions(session, lesson, uid)
        materials.drop_captions(session, lesson, uid)
        publishing.renew(session, installation, lesson, None)
        assert materials.blobs_in_use(session) == set()
    assert captioned(installation, lesson) == []


def test_captions_above_128_kib_name_their_piece_list(installation, lesson):
    many = "WEBVTT\n\n" + "".join(f"{i // 60}:{i % 60:02}.000 --> 99:00.000\n{'ཆུ་' * 20}\n\n" for i in range(900))
    with installation.database.write() as session:
        materials.set_captions(session, installation.blobs, lesson, "bo", many.encode())
        publishing.renew(session, installation, lesson, None)
        assert len(materials.blobs_in_use(session)) == 2
    part = next(part for part in manifest(installation, lesson).parts if part.kind == "captions")
    assert part.bytes > package.PIECE_BYTES
    assert installation.blobs.path(part.pieces).stat().st_size == part.piece_list_bytes


def test_a_draft_stays_a_draft(installation, house):
    with installation.database.write() as session:
        uid = add_lesson(session, house.course)
        prepare(session, installation, uid)
    caption(installation, uid)
    with installation.database.read() as session:
        assert session.get_one(Lesson, uid).state == "draft"
    with installation.database.write() as session:
        publishing.publish(session, installation, uid, None)
    assert captioned(installation, uid) == ["bo"]


def trim(installation: Installation, lesson: str, edit: list[list[int]] | None) -> None:
    """Cut the lesson and have the cut made and published."""
    with installation.database.write() as session:
        editing.trim(session, lesson, edit)
    with installation.database.write() as session:
        source, recipe = _wanted(session, lesson)
        make(session, installation, source, recipe)
        publishing.publish(session, installation, lesson, None)


def _wanted(session, lesson: str) -> tuple[str, str]:
    row = recordings.in_use(session, session.get_one(Lesson, lesson))
    assert row is not None
    return row[0].source_uid, recordings.wanted_of(session, session.get_one(Lesson, lesson), row[0])[0].id


def test_captions_of_a_trimmed_video_are_kept_hidden_and_come_back_with_it(installation, lesson):
    uid = caption(installation, lesson)
    trim(installation, lesson, [[5000, 61_000]])
    assert captioned(installation, lesson) == []
    with installation.database.read() as session:
        found = materials.captions_of(session, session.get_one(Lesson, lesson))
        assert ([row.uid for row in found.shown], [row.uid for row in found.earlier]) == ([], [uid])
        assert materials.blobs_in_use(session)
    with installation.database.write() as session:
        editing.trim(session, lesson, None)
        publishing.publish(session, installation, lesson, None)
    assert captioned(installation, lesson) == ["bo"]


def test_a_teacher_shows_captions_of_the_earlier_video_with_the_new_one(installation, lesson):
    uid = caption(installation, lesson)
    trim(installation, lesson, [[5000, 61_000]])
    with installation.database.write() as session:
        again = materials.use_captions(session, lesson, uid)
        assert materials.use_captions(session, lesson, again.uid).uid == again.uid
        publishing.renew(session, installation, lesson, None)
    assert captioned(installation, lesson) == ["bo"]


def test_captions_that_cannot_be_read_change_nothing(installation, lesson):
    caption(installation, lesson)
    with pytest.raises(CaptionsRefused), installation.database.write() as session:
        materials.set_captions(session, installation.blobs, lesson, "bo", b"<html>")
    with pytest.raises(BadInput), installation.database.write() as session:
        materials.set_captions(session, installation.blobs, lesson, "not a tag", VTT("x").encode())
    assert captioned(installation, lesson) == ["bo"]


def test_the_right_to_a_lesson_is_no_right_to_captions_of_another(installation, house, lesson):
    uid = caption(installation, lesson)
    with installation.database.write() as session:
        other = add_lesson(session, house.course)
        for act in (materials.use_captions, materials.drop_captions):
            with pytest.raises(NotFound):
                act(session, other, uid)
        assert session.get_one(LessonCaptions, uid).dropped_on is None


def test_chapters_stand_in_the_manifest_in_the_order_of_time(installation, lesson):
    with installation.database.write() as session:
        materials.set_chapters(session, lesson, "zh", ICE)
        publishing.renew(session, installation, lesson, None)
    found = manifest(installation, lesson)
    assert found.extra == {"chapters": {"zh": [{"at_ms": 0, "title": "开始"}, {"at_ms": 200_000, "title": "冰浮起来"}]}}
    assert chapters.in_manifest(found.extra) == {"zh": (ICE[1], ICE[0])}
    with installation.database.write() as session:
        materials.set_chapters(session, lesson, "zh", [])
        publishing.renew(session, installation, lesson, None)
    assert manifest(installation, lesson).extra == {}


def test_chapters_of_a_trimmed_video_are_kept_and_not_shown(installation, lesson):
    with installation.database.write() as session:
        materials.set_chapters(session, lesson, "zh", ICE)
    trim(installation, lesson, [[5000, 61_000]])
    assert manifest(installation, lesson).extra == {}
    with installation.database.read() as session:
        found = session.get_one(Lesson, lesson)
        assert materials.chapters_of(session, found) == {}
        assert materials.chapters_of(session, found, earlier=True) == {"zh": [ICE[1], ICE[0]]}


@pytest.mark.parametrize(
    ("chapter", "reason"),
    [
        (Chapter(0, ""), chapters.NO_TITLE), (Chapter(0, "x" * 121), chapters.TITLE_TOO_LONG),
        (Chapter(-1, "x"), chapters.BAD_TIME), (Chapter(0, "x\ny"), chapters.BAD_TIME),
    ],
)  # fmt: skip
def test_a_chapter_that_cannot_be_used_is_refused_by_its_line(chapter, reason):
    with pytest.raises(ChaptersRefused) as refused:
        chapters.checked([ICE[0], chapter])
    assert refused.value.facts == {"line": 2, "reason": reason}


@pytest.mark.parametrize("written", [None, [], {"zh": 5}, {"zh": [{"at_ms": "0", "title": "x"}, 5]}, {"zh": []}])
def test_chapters_that_a_later_release_writes_otherwise_are_passed_over(written):
    assert chapters.in_manifest({"chapters": written}) == {}
