"""Whatever a teacher's phone, a bad disk or an attacker sends: a reason or a lesson, and nothing else happens.

The few here are the first of the thousands that `make bench-hostile` tries.
"""

from pathlib import Path

import pytest

from tests.media import mutating, seeds
from tests.media.trying import Range, largest_child_mb

GOOD = {"accepted", "encoded", "refused", "encode_failed"}


@pytest.fixture(scope="module")
def clips_of_all_kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    made, missing = seeds.make_all(tmp_path_factory.mktemp("seeds"))
    assert len(made) >= len(seeds.SEEDS) - 3, f"this ffmpeg cannot write {missing}"
    return made


def test_every_kind_of_file_on_the_list_is_accepted_whole(clips_of_all_kinds: dict[str, bytes], tmp_path: Path) -> None:
    place = Range(tmp_path)
    refused = [
        name for name, payload in clips_of_all_kinds.items()
        if place.try_file(name, payload, jail="auto", encoding=False).outcome != "accepted"
    ]  # fmt: skip
    assert refused == []


def test_forty_broken_files_harm_nothing(clips_of_all_kinds: dict[str, bytes], tmp_path: Path) -> None:
    place = Range(tmp_path)
    assert place.sees_reads(), "this file system does not tell who was read"
    trials = []
    for number in range(40):
        name, payload = mutating.broken(clips_of_all_kinds, number)
        trials.append(place.try_file(name, payload, jail=("auto", "rlimits")[number % 2], encoding=number % 5 == 0))
    assert [trial for trial in trials if trial.outcome not in GOOD] == []
    assert {"refused", "accepted"} <= {trial.outcome for trial in trials}
    assert not place.bait_was_read
    assert place.strays() == []
    assert largest_child_mb() < 1500


def test_the_same_number_breaks_the_same_file_the_same_way(clips_of_all_kinds: dict[str, bytes]) -> None:
    assert mutating.broken(clips_of_all_kinds, 7) == mutating.broken(clips_of_all_kinds, 7)
    changed = [mutating.broken(clips_of_all_kinds, number) for number in range(60)]
    assert len({payload for _, payload in changed}) > 55
