"""A recording with several voices: the teacher chooses which, and in which language each speaks."""

import math
from collections.abc import Sequence
from itertools import pairwise

import m3u8
import pytest

from eduhub.errors import BadInput, MediaRefused
from eduhub.media import binding, judging, ladder
from eduhub.media.facts import Probe
from eduhub.media.recipes import Recipe, Sound
from tests.media import clips
from tests.media.reading import samples
from tests.media.stepping import Stepped, Steps
from tests.media.test_ladder import LECTURE


def tone_of(made: Stepped, name: str) -> float:
    """The frequency of a steady tone, by the times it rises through zero."""
    heard = [value for _time, frame in made.frames(name) for value in samples(frame)]
    middle = heard[len(heard) // 4 : 3 * len(heard) // 4]
    rises = sum(1 for before, after in pairwise(middle) if before < 0 <= after)
    return rises * made.facts(name)["sample_rate"] / len(middle)


@pytest.mark.ffmpeg
def test_each_chosen_voice_is_made_under_its_language_and_the_first_is_the_main_one(steps: Steps) -> None:
    made = steps(clips.three_voices, "floor", recipe=Recipe(sounds=(Sound(1, "zh"), Sound(2, "bo"))))
    assert [(sound.index, sound.language, sound.title, sound.is_default) for sound in made.probe.sounds] == [
        (1, "zho", "", False), (2, "bod", "Tibetan voice", True),
    ]  # fmt: skip
    assert [(part.facts["name"], part.facts["language"]) for part in made.parts if part.facts["kind"] == "audio"] == [
        ("aac", "zh"), ("opus", "zh"), ("aac-bo", "bo"), ("opus-bo", "bo"),
    ]  # fmt: skip
    for name, hertz in (("aac", 300), ("opus", 300), ("aac-bo", 900), ("opus-bo", 900)):
        assert math.isclose(tone_of(made, name), hertz, rel_tol=0.03), name
    assert {part.facts["name"] for part in made.parts if part.facts["floor"]} == {"stills", "poster", "aac"}
    master = master_of(made)
    assert [(media.group_id, media.name, media.language, media.default) for media in master.media] == [
        ("aac", "zh", "zh", "YES"), ("aac", "bo", "bo", "NO"), ("opus", "zh", "zh", "YES"), ("opus", "bo", "bo", "NO"),
    ]  # fmt: skip


def master_of(made: Stepped) -> m3u8.M3U8:
    rows = [part.index_row for part in made.parts if part.index_row and "chunk_bytes" in part.index_row]
    text = binding.bind(rows, None, made.chosen.duration_ms)[1].payload.decode("ascii")
    m3u8.parser.parse(text, strict=True)
    return m3u8.loads(text)


@pytest.mark.ffmpeg
def test_when_nobody_chose_the_default_voice_is_taken_in_the_language_of_the_recording(steps: Steps) -> None:
    made = steps(clips.three_voices, "floor", recipe=Recipe(sound_only=True))
    assert math.isclose(tone_of(made, "aac"), 900, rel_tol=0.03)
    assert [(part.facts["name"], part.facts["language"]) for part in made.parts] == [
        ("aac", "zh"), ("opus", "zh"), ("download", None),
    ]  # fmt: skip
    assert [media.uri for media in master_of(made).media] == []


def test_sound_alone_is_made_of_a_film_in_one_step() -> None:
    chosen = ladder.choose(LECTURE, Recipe(sound_only=True))
    assert (chosen.video, chosen.stills, chosen.strip, chosen.floor) == ((), None, None, ("index", "aac"))
    assert [step.name for step in chosen.steps] == ["floor"]
    assert chosen.has_download(chosen.steps[0])


def test_two_voices_in_one_language_have_two_names() -> None:
    chosen = ladder.choose(LECTURE, Recipe(sounds=(Sound(1, "zh"), Sound(1, "zh"), Sound(1, "bo"))))
    assert [rung.name for rung in chosen.audio] == ["aac", "opus", "aac-zh-2", "opus-zh-2", "aac-bo", "opus-bo"]


@pytest.mark.parametrize("sounds", [(Sound(0, "zh"),), (Sound(7, "zh"),), (Sound(1, "../zh"),), (Sound(1, ""),)])
def test_a_voice_that_is_not_there_or_a_language_that_is_none_is_refused(sounds: Sequence[Sound]) -> None:
    with pytest.raises(BadInput):
        ladder.choose(LECTURE, Recipe(sounds=tuple(sounds)))


def test_the_sound_of_a_silent_film_cannot_be_had() -> None:
    silent = Probe(**{**LECTURE.__dict__, "audio": None, "sounds": ()})
    with pytest.raises(MediaRefused) as refused:
        ladder.choose(silent, Recipe(sound_only=True))
    assert refused.value.facts["reason"] == ladder.NO_SOUND


def test_what_a_file_says_of_its_voices_is_cut_short() -> None:
    stream = {
        "type": "audio", "decoder": "aac", "codec": "aac", "cover": False, "default": True, "language": "<script>",
        "title": "voice\x00\n" * 100, "channels": 2, "sample_rate": 48_000, "start_ms": 0, "end_ms": 60_000, "packets": 9,
        "times_ms": [], "frame": None,
    }  # fmt: skip
    answer = {"format": "mov", "declared_us": 60_000_000, "start_us": 0, "streams": [stream]}
    sound = judging.judge(answer, size=1, longest_ms=10**9).sounds[0]
    assert sound.language == ""
    assert len(sound.title) <= 80
    assert sound.title.isprintable()
