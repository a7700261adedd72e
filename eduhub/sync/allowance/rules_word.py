"""The rules that a box goes by, in one word of at most 60 characters, as it tells them to its hub: 'rate=64 month=3000 more'.

What does not fit is left out, and `more` says so. What a later release may say is passed over. See docs/formats/box-status.md.

This module must not know where rules come from (`policies`).
"""

from collections.abc import Iterator

from eduhub.sync.allowance.policies import MB, Rules

LONGEST = 60
MORE = "more"
# In this order: what decides first whether lessons come stands first.
RATE, CLASS, DAY, MONTH, DISK, HEIGHT, LANGUAGES, CODECS, COURSES, HOURS = NAMES = (
    "rate", "class", "day", "month", "disk", "height", "languages", "codecs", "courses", "hours",
)  # fmt: skip
_NUMBERS = frozenset({RATE, CLASS, DAY, MONTH, DISK, HEIGHT, COURSES})
_MOST = 2**53 - 1


def write(rules: Rules) -> str:
    """The word of some rules; '' where there are none."""
    word = ""
    for token in _tokens(rules):
        longer = f"{word} {token}".strip()
        if len(longer) > LONGEST - len(MORE) - 1:
            return f"{word} {MORE}".strip()
        word = longer
    return word


def read(text: object) -> list[tuple[str, str]]:
    """The rules in what a box said, each a name of NAMES or MORE and its value."""
    found = []
    for token in text[:LONGEST].split() if isinstance(text, str) else ():
        name, _, value = token.partition("=")
        if name == MORE or (name in NAMES and (name not in _NUMBERS or _is_number(value))):
            found.append((name, value))
    return found


def _tokens(rules: Rules) -> Iterator[str]:
    limits, choice = rules.limits, rules.choice
    values = {
        RATE: limits.ceiling_kbit_s, CLASS: limits.class_ceiling_kbit_s, DAY: _megabytes(limits.day_bytes),
        MONTH: _megabytes(limits.month_bytes), DISK: _megabytes(rules.disk_bytes), HEIGHT: choice.max_height,
        LANGUAGES: ",".join(sorted(choice.languages)) or None, CODECS: ",".join(sorted(choice.codecs)) or None,
        COURSES: len(rules.courses) or None, HOURS: ",".join(map(str, limits.windows)) or None,
    }  # fmt: skip
    return (f"{name}={values[name]}" for name in NAMES if values[name] is not None)


def _megabytes(size: int | None) -> int | None:
    return None if size is None else size // MB


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdigit() and int(value) <= _MOST
