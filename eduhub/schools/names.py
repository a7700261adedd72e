"""Names that are kept by language: `{"zh": "双湖县小学", "bo": "..."}`. Pure functions."""

import re

from eduhub.errors import BadInput

_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def checked_names(names: dict[str, str]) -> dict[str, str]:
    """The names without stray blanks; raises BadInput unless there is one to show."""
    tidy = {tag: " ".join(text.split()) for tag, text in names.items() if text.strip()}
    if not tidy or not all(_TAG.fullmatch(tag) and len(tag) <= 20 for tag in tidy):
        raise BadInput("a name in at least one language is needed")
    if any(len(text) > 200 or not text.isprintable() for text in tidy.values()):
        raise BadInput("a name has 1 to 200 letters")
    return tidy


def best_name(names: dict[str, str], language: str) -> str:
    """The name in this language, else in Chinese or English, else in any; '' when there is none."""
    for tag in (language, "zh", "en", *sorted(names)):
        if names.get(tag):
            return names[tag]
    return ""
