"""What every error of ours has, how its sentences are filled, and the list of all of them. The table is in `__init__.py`."""

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar


def N_(message: str) -> str:
    """Mark a text for translation where it is written; it is translated where it is shown."""
    return message


class EduHubError(Exception):
    """The base of all our errors. Subclasses only set the class attributes."""

    code: ClassVar[str] = "eduhub.error"
    status: ClassVar[int] = 500
    retry: ClassVar[bool] = False
    happened: ClassVar[str] = N_("Something went wrong on our side.")
    kept: ClassVar[str] = N_("What was saved before is kept.")
    next_step: ClassVar[str] = N_("Try again. If it happens again, tell the person who looks after the system.")

    def __init__(self, detail: str = "", **facts: str | int) -> None:
        """`detail` is for the log and for developers; `facts` fill the sentences for people."""
        super().__init__(detail or self.code)
        self.detail = detail
        self.facts = facts


def sentences(
    error: EduHubError | type[EduHubError], facts: Mapping[str, object], translate: Callable[[str], str]
) -> tuple[str, str, str]:
    """What happened, what was kept and what to do next, filled with `facts`.

    A fact can be a marked sentence of its own ("it is empty"), so texts among them are translated too.
    """
    filled = {name: translate(value) if isinstance(value, str) and value else value for name, value in facts.items()}
    happened, kept, next_step = (
        translate(message) % filled if filled else translate(message)
        for message in (error.happened, error.kept, error.next_step)
    )
    return happened, kept, next_step


def error_table() -> Iterator[type[EduHubError]]:
    """Every error class, base first, each once."""
    waiting: list[type[EduHubError]] = [EduHubError]
    while waiting:
        found = waiting.pop(0)
        yield found
        waiting.extend(found.__subclasses__())
