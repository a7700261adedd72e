"""The index of published packages says what a walk through the catalog says, also after an epoch cut the chain."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.orm import Session

from eduhub.delivery import catalog, published
from eduhub.delivery.keys import KeyChest, make_hub_keys
from eduhub.delivery.models import CatalogEntry
from eduhub.delivery.published import Published
from eduhub.delivery.trust import keyring, signed_statement
from eduhub.installation import Installation

SIGNATURE = {"key": "0" * 16, "value": "1" * 128}
LESSONS = [f"00000000-0000-7000-8000-00000000000{number}" for number in range(3)]
ENTRIES = st.one_of(
    st.tuples(st.sampled_from(["publish", "supersede"]), st.sampled_from(LESSONS), st.sampled_from("abcdef")),
    st.tuples(st.just("withdraw"), st.sampled_from(LESSONS), st.sampled_from("abcdef")),
    st.tuples(st.just("hologram"), st.sampled_from(LESSONS), st.sampled_from("abcdef")),
    st.tuples(st.just("publish"), st.just("a lesson of a later release"), st.sampled_from("abcdef")),
    st.tuples(st.just("cut"), st.integers(0, 12), st.none()),
)


def walked(session: Session) -> dict[str, Published]:
    """What the entries say, by the words of docs/formats/catalog.md."""
    found: dict[str, Published] = {}
    of_lesson: dict[str, set[str]] = {}
    for entry in catalog.entries_after(session, 0, limit=10_000):
        lesson, package = entry.body.get("lesson"), entry.body.get("package")
        if lesson not in LESSONS:
            continue
        if entry.kind in {"publish", "supersede"}:
            found[package] = Published(package, entry.sequence, entry.body["signature"])
            of_lesson.setdefault(lesson, set()).add(package)
        elif entry.kind == "withdraw":
            for taken_back in of_lesson.pop(lesson, set()):
                if not any(taken_back in others for others in of_lesson.values()):
                    found.pop(taken_back, None)
    return found


@pytest.fixture
def keys(installation: Installation) -> KeyChest:
    with installation.database.write() as session:
        make_hub_keys(session, installation.keys)
    return installation.keys


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(ENTRIES, max_size=14))
def test_the_index_says_what_the_entries_say(installation: Installation, keys: KeyChest, steps: list[Any]) -> None:
    with installation.database.write() as session:
        before = catalog.sequence(session)
        for kind, lesson, package in steps:
            if kind == "cut":
                kept = min(before + lesson, catalog.sequence(session))
                now = catalog.state(session)
                session.execute(delete(CatalogEntry).where(CatalogEntry.sequence > kept))
                published.cut(session, kept)
                now.sequence, now.hash = kept, session.get_one(CatalogEntry, kept).hash if kept else "0" * 64
                continue
            # A package is of one lesson: its manifest names it.
            package_id = (package + str(LESSONS.index(lesson) if lesson in LESSONS else 9)) * 32
            catalog.append(session, keys, kind, {"lesson": lesson, "package": package_id, "signature": SIGNATURE})
        says = published.of(session, _ids())
        assert says == walked(session)
        published.rebuild(session)
        assert published.of(session, _ids()) == says


def _ids() -> set[str]:
    return {(letter + digit) * 32 for letter in "abcdef" for digit in "0129"}


def test_what_is_no_signature_is_not_kept(installation: Installation, keys: KeyChest) -> None:
    with installation.database.write() as session:
        for number, signature in enumerate([None, "x", {"key": "\0"}, {"key": "0" * 16, "value": "1" * 127}, SIGNATURE]):
            body = {"lesson": LESSONS[0], "package": str(number) * 64, "signature": signature}
            catalog.append(session, keys, "publish", body)
        says = published.of(session, {str(number) * 64 for number in range(5)})
    assert [says[str(number) * 64].signature for number in range(5)] == [None, None, None, None, SIGNATURE]


def test_a_new_epoch_takes_back_what_it_cuts_off(installation: Installation, keys: KeyChest) -> None:
    package = "a" * 64
    with installation.database.write() as session:
        catalog.append(session, keys, "publish", {"lesson": LESSONS[0], "package": package, "signature": SIGNATURE})
        statement = signed_statement(keys.root, catalog.EPOCH_FORMAT, {
            "hub": keyring(session).hub_uid, "epoch": 2, "sequence": catalog.sequence(session),
            "hash": catalog.state(session).hash,
        })  # fmt: skip
        catalog.append(session, keys, "withdraw", {"lesson": LESSONS[0], "package": package, "revision": 1})
        catalog.append(session, keys, "publish", {"lesson": LESSONS[1], "package": "b" * 64, "signature": SIGNATURE})
        assert set(published.of(session, {package, "b" * 64})) == {"b" * 64}
        catalog.start_epoch(session, keyring(session), statement)
        assert set(published.of(session, {package, "b" * 64})) == {package}
