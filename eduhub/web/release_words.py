"""How far a box is with a new version, as its own word says it: for the operator.

This module must not know tables or routes.
"""

from flask_babel import gettext

from eduhub.sync.releases import state_word
from eduhub.sync.releases.state_word import Word
from eduhub.web import languages
from eduhub.web.states import State


def of(said: Word) -> State:
    """A box's word, for the operator."""
    if said.stage == state_word.COMING:
        share = int(said.more) if said.more and said.more.isdigit() else 0
        return State(gettext("is coming, %(share)s %% are there", share=min(99, share)), "wait", "slow")
    if said.stage == state_word.READY:
        return State(gettext("is put in when school is over"), "wait", "slow")
    if said.stage == state_word.BY_HAND:
        return State(gettext("is there; no launcher runs on the box"), "no", "bad")
    if said.stage == state_word.UNFIT:
        return State(_why_not(said.more), "no", "bad")
    if said.stage == state_word.FAILED:
        return State(languages.in_a_row(gettext("It did not work, and the version before goes on."), _why(said.more)), "no", "bad")
    return State(gettext("not heard of yet"), "wait")


def _why_not(code: str | None) -> str:
    words: dict[str, str] = {
        "step": gettext("another version has to be put in before it"), "refused": gettext("was refused: the box cannot read it, or cannot tell that it is genuine"),
    }  # fmt: skip
    other: str = gettext("was not made for a machine like this box's")
    return words.get(code or "", other)


def _why(code: str | None) -> str:
    words: dict[str, str] = {
        "tables": gettext("The database could not be brought up."), "unwell": gettext("Its pages or its worker did not work when it was tried."),
        "died": gettext("It stopped again and again."), "cut": gettext("The power was cut each time."),
        "no_copy": gettext("This database cannot be put back by itself."),
    }  # fmt: skip
    return words.get(code or "", "")
