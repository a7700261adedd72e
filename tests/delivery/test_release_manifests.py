"""A release's manifest is read or refused, whatever it says; a name in it can become no path."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.delivery import release
from eduhub.delivery.release import Release, Wheel, read_version
from eduhub.errors import BadFormat
from eduhub.signing import canonical

pytestmark = pytest.mark.any_engine

X86, ARM = "cp311-linux_x86_64", "cp311-linux_aarch64"


def wheel(name: str, number: int = 1, **values: Any) -> Wheel:
    return Wheel(**{"name": name, "sha256": f"{number:064x}", "bytes": 900, "pieces": None} | values)


def manifest(*files: Wheel, **values: Any) -> Release:
    usual = {
        "version": "0.4.0", "made_from": "0" * 40, "needs_at_least": "0.3.0", "targets": (X86, ARM), "goes_back_to": ("0009",),
        "files": files or (wheel("eduhub-0.4.0-py3-none-any.whl"),),
    }  # fmt: skip
    return Release(**usual | values)


def test_what_is_written_is_read_again() -> None:
    written = manifest(
        wheel("eduhub-0.4.0-py3-none-any.whl", 1, bytes=400_000, pieces=f"{9:064x}"),
        wheel("av-18.1-cp311-abi3-manylinux_2_28_x86_64.whl", 2, targets=(X86,)),
        wheel("av-18.1-cp311-abi3-manylinux_2_28_aarch64.whl", 3, targets=(ARM,)),
    )
    again = Release.from_bytes(written.to_bytes())
    assert again == written
    assert [found.sha256[-1] for found in again.wheels(X86)] == ["2", "1"]
    assert [found.sha256[-1] for found in again.wheels(ARM)] == ["3", "1"]


def test_what_a_later_program_adds_is_passed_over() -> None:
    later = canonical(json.loads(manifest().to_bytes()) | {"words": {"bo": "..."}})
    assert Release.from_bytes(later) == manifest()
    assert release.id_of(later) != release.id_of(manifest().to_bytes())


@pytest.mark.parametrize(
    "name",
    [
        "../eduhub-0.4.0-py3-none-any.whl", "/etc/passwd", "eduhub-0.4.0-py3-none-any.whl/..", "eduhub.pth", "-r.whl", "",
        "eduhub-0.4.0.tar.gz", "eduhub-0.4.0-py3-none-any.whl\n", "eduhub-0.4.0-py3-none-any.whl\0", "a\\b-1-py3-none-any.whl",
        ".hidden-1-py3-none-any.whl", "x" * 300 + "-1-py3-none-any.whl", None, 7,
    ],
)  # fmt: skip
def test_only_a_wheels_name_is_a_name(name: Any) -> None:
    with pytest.raises(BadFormat):
        wheel(name)


@pytest.mark.parametrize(
    "values",
    [
        {"version": "0.5.0"},  # no wheel of that version
        {"version": "0.4.0rc1"}, {"version": "01.2"}, {"needs_at_least": ""}, {"targets": ()}, {"targets": ("any",)},
        {"files": ()},
        {"files": (wheel("eduhub-0.4.0-py3-none-any.whl"), wheel("EduHub-0.4.0-py3-none-any.whl", 2))},
        {"files": (wheel("eduhub-0.4.0-py3-none-any.whl"), wheel("a_b-1-py3-none-any.whl", 2), wheel("a.b-2-py3-none-any.whl", 3))},
        {"files": (wheel("eduhub-0.4.0-py3-none-any.whl"), wheel("a-1-py3-none-any.whl", 2, bytes=10**6, pieces=f"{1:064x}"))},
        {"files": (wheel("eduhub-0.4.0-cp311-cp311-linux_x86_64.whl", targets=(X86,)),)},  # nothing for the other machine
    ],
)  # fmt: skip
def test_a_manifest_that_could_not_be_installed_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(BadFormat):
        manifest(**values)


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20) | st.just("eduhub-0.4.0-py3-none-any.whl"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["version", "files", "targets", "goes_back_to", "needs_at_least", "made_from", "name", "sha256", "bytes", "pieces"]),
        inner, max_size=6,
    ),
    max_leaves=12,
))  # fmt: skip
def test_whatever_comes_is_read_or_refused(found: Any) -> None:
    document = {"format": release.FORMAT} | found if isinstance(found, dict) else found
    for changed in (document, _as_usual() | document if isinstance(document, dict) else document):
        try:
            read = Release.from_bytes(canonical(changed))
        except BadFormat:
            continue
        assert Release.from_bytes(read.to_bytes()) == read


def _as_usual() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(manifest().to_bytes())
    return found


numbers = st.lists(st.integers(0, 99999), min_size=2, max_size=4)


@given(numbers, numbers)
def test_versions_are_compared_as_numbers(one: list[int], other: list[int]) -> None:
    texts = [".".join(map(str, version)) for version in (one, other)]
    padded = [version + [0] * (4 - len(version)) for version in (one, other)]
    assert (read_version(texts[0]) < read_version(texts[1])) == (padded[0] < padded[1])
