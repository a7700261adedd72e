"""Who is signed in at a box stays so when its wall clock jumps by decades; a cookie that is not ours signs nobody in."""

import time
from collections.abc import Callable

import pytest

from eduhub import clock
from eduhub.accounts import credentials, people
from eduhub.app import create_app
from eduhub.installation import Installation
from eduhub.schools import organisations
from tests.web.world import PASSWORD, Reader

YEAR_S = 365 * 86_400


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`at(second)`: the machine's wall clock, for whoever asks it."""

    def stand(second: float) -> None:
        monkeypatch.setattr(time, "time", lambda: second)
        clock.freeze(int(second * 1000))

    return stand


@pytest.fixture
def reader(make_installation: Callable[..., Installation]) -> Reader:
    """Pema at the school's box."""
    box = make_installation(role="node")
    with box.database.write() as session:
        school = organisations.add(session, kind="school", names={"en": "Shuanghu school"})
        pema = people.add(session, org_uid=school.uid, name="Pema", sign_in_name="pema")
        credentials.set_password(session, pema.uid, PASSWORD)
    return Reader(create_app(installation=box).test_client())


@pytest.mark.parametrize("jumps", [[0, 0], [2**32, 0], [1.8e9, 1.8e9 + 50 * YEAR_S, 1.0, 1.8e9], [4.1e9, 1.8e9]])
def test_a_reader_stays_signed_in(reader: Reader, at: Callable[[float], None], jumps: list[float]) -> None:
    at(jumps[0])
    reader.sign_in("pema")
    for second in jumps:
        at(second)
        assert reader.get("/account").status_code == 200
    at(jumps[-1] + 20 * YEAR_S)
    reader.post("/sign-out", page="/account")
    assert reader.get("/account").status_code == 401


def test_a_forged_cookie_signs_nobody_in(reader: Reader, at: Callable[[float], None]) -> None:
    at(1.8e9)
    reader.sign_in("pema")
    held = reader.client.get_cookie("eduhub")
    assert held is not None
    for forged in (held.value[:-2] + ("aa" if held.value[-2:] != "aa" else "bb"), "", "x", "a.b.c", held.value.split(".", 1)[1]):
        reader.client.set_cookie("eduhub", forged)
        assert reader.get("/account").status_code == 401
