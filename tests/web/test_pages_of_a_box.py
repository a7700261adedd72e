"""What a school's box shows of itself."""

from collections.abc import Callable

import pytest

from eduhub.accounts import credentials, people, roles
from eduhub.app import create_app
from eduhub.installation import Installation
from eduhub.schools import organisations
from eduhub.sync.models import Upstream
from eduhub.uids import new_uid
from tests.web.world import BEGAN, PASSWORD, Reader


@pytest.fixture
def box(make_installation: Callable[..., Installation]) -> Installation:
    """A box with its school's admin, who has a password here."""
    made = make_installation(role="node")
    with made.database.write() as session:
        school = organisations.add(session, kind="school", names={"en": "Shuanghu school"})
        pema = people.add(session, org_uid=school.uid, name="Pema", sign_in_name="pema")
        credentials.set_password(session, pema.uid, PASSWORD)
        roles.grant(
            session, person_uid=pema.uid, role="school_admin", scope_kind="organisation", scope_uid=school.uid,
            org_uid=school.uid, starts_on=BEGAN,
        )
    return made


def test_a_box_that_has_not_joined_says_so(box: Installation) -> None:
    pema = Reader(create_app(installation=box).test_client()).sign_in("pema")
    page = pema.get("/box")
    assert page.status_code == 200
    assert "This box does not belong to a county yet." in page.text
    assert "The operator of the hub gives you an address and a code." in page.text
    assert "Everything for" not in page.text
    assert '/box"' in pema.get("/", follow_redirects=True).text


def test_a_box_whose_link_is_down_says_what_waits_and_that_nothing_needs_to_be_done(box: Installation) -> None:
    with box.database.write() as session:
        session.add(
            Upstream(
                url="http://hub.example", priority=1, node_uid=new_uid(), hub_uid=new_uid(), certificate={},
                stream_sequence=0, stream_epoch=1, change_seq_sent=0, hub_time_ms=None, hub_time_steady_s=None,
                last_contact_ms=1, last_error="sync.link_down",
            )
        )
    page = Reader(create_app(installation=box).test_client()).sign_in("pema").get("/box").text
    assert "The county could not be reached." in page
    assert "Everything waits here and will be sent when the link is back." in page


def test_nobody_is_told_about_the_box_without_signing_in(box: Installation) -> None:
    assert Reader(create_app(installation=box).test_client()).get("/box").status_code == 401
