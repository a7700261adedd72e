"""How far a box is with a new version, as its own word says it: for the operator."""

from flask_babel import gettext

from eduhub.sync.releases import word
from eduhub.sync.releases.word import Word
from eduhub.web.states import State


def of(said: Word) -> State:
    """A box's word, for the operator."""
    if said.stage == word.COMING:
        share = int(said.more) if said.more and said.more.isdigit() else 0
        return State(gettext("is coming, %(share)s %% are there", share=min(99, share)), "wait", "slow")
    if said.stage == word.READY:
        return State(gettext("is put in when school is over"), "wait", "slow")
    if said.stage == word.BY_HAND:
        return State(gettext("is there; no launcher runs on the box"), "no", "bad")
    if said.stage == word.FAILED:
        return State(gettext("did not work, the old one goes on (%(why)s)", why=said.more or "?"), "no", "bad")
    return State(gettext("not heard of yet"), "wait")
