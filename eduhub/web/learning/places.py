"""Who learns at this browser: whoever is signed in, or the place whose number was typed here, or nobody."""

from dataclasses import dataclass

from flask import session as browser_session

from eduhub import guard
from eduhub.web.accounts import turns

_KEY = "place"


@dataclass(frozen=True)
class Learner:
    """Under which pseudonym it is booked what is watched here, at which organisation, and where that is."""

    uid: str
    org_uid: str
    context: str


def take(place_uid: str) -> None:
    """From now on what is watched in this browser belongs to a place."""
    browser_session[_KEY] = place_uid


def leave() -> None:
    """The next one begins anew."""
    browser_session.pop(_KEY, None)


def here() -> str | None:
    """The place that is taken in this browser; none while somebody is signed in."""
    found = browser_session.get(_KEY)
    return found if isinstance(found, str) and guard.viewer().person is None else None


def learner(viewer: guard.Viewer, org_uid: str) -> Learner | None:
    """Who learns: at `org_uid` where nobody has signed in."""
    if viewer.person is not None:
        return Learner(viewer.person.uid, viewer.person.org_uid, turns.context())
    place_uid = here()
    return Learner(place_uid, org_uid, "station") if place_uid else None
