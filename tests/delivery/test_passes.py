"""A pass is good for one package, one audience and its time, on the machine that made it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.delivery import passes
from eduhub.errors import BadFormat, BadInput, PassRefused
from eduhub.uids import make_uid

SECRET, PACKAGE, OTHER = b"s" * 32, "a" * 64, "b" * 64
DOLMA = make_uid(1_700_000_000_000, 9)


def mint(**changed: object) -> str:
    plain = {"package_id": PACKAGE, "audience": "learner", "person_uid": DOLMA, "expires_steady_s": 1000}
    return passes.mint(SECRET, **(plain | changed))


@pytest.mark.parametrize("audience", passes.AUDIENCES)
@pytest.mark.parametrize("person", [DOLMA, "", None])
def test_a_pass_says_what_it_was_made_for(audience: str, person: str | None) -> None:
    token = mint(audience=audience, person_uid=person)
    assert passes.check(SECRET, token, PACKAGE, 999.9) == passes.Pass(PACKAGE, audience, person or "", 1000)
    assert len(token) <= passes.MAX_PASS_CHARACTERS


def test_a_pass_ends_by_the_steady_clock() -> None:
    for now_s in (1000, 1000.1, 10**9):
        with pytest.raises(PassRefused):
            passes.check(SECRET, mint(), PACKAGE, now_s)


def test_a_pass_opens_no_other_package_and_no_other_machine() -> None:
    with pytest.raises(PassRefused):
        passes.check(SECRET, mint(), OTHER, 0)
    with pytest.raises(PassRefused):
        passes.check(b"t" * 32, mint(), PACKAGE, 0)


def test_there_is_no_pass_for_all_packages() -> None:
    for package_id in ("*", "", "A" * 64, PACKAGE + "\n"):
        with pytest.raises(BadInput):
            mint(package_id=package_id)
        with pytest.raises(PassRefused):
            passes.check(SECRET, mint(), package_id, 0)


@pytest.mark.parametrize("wrong", [{"audience": "admin"}, {"person_uid": "Dolma"}, {"expires_steady_s": -1}])
def test_nonsense_is_not_minted(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        mint(**wrong)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(BadFormat):
        passes.mint(b"short", package_id=PACKAGE, audience="open", person_uid="", expires_steady_s=1)


@given(st.data())
def test_a_pass_that_was_changed_anywhere_is_refused(data: st.DataObject) -> None:
    token = mint()
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(exclude_characters=token[at]))
    for changed in (token[:at] + letter + token[at + 1 :], token[:at] + letter + token[at:], token[:at] + token[at + 1 :]):
        with pytest.raises(PassRefused):
            passes.check(SECRET, changed, PACKAGE, 0)


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(PassRefused):
        passes.check(SECRET, text, PACKAGE, 0)


@pytest.mark.parametrize(
    ("audience", "readable"),
    [
        ("open", {"open"}), ("learner", {"open", "learner"}), ("teacher", {"open", "learner", "teacher"}),
        ("node", {"open", "learner", "teacher", "hologram"}),
    ],
)  # fmt: skip
def test_who_may_read_which_parts(audience: str, readable: set[str]) -> None:
    found = passes.Pass(PACKAGE, audience, "", 1)
    assert {kind for kind in ("open", "learner", "teacher", "hologram") if found.may_read(kind)} == readable
