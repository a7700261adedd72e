"""The base of all forms: our own words for WTForms' messages, and how a refusal lands in the form.

Nothing typed is lost by an error: a refusal from the domain becomes a message in the same
form, which is shown again as it was sent.
"""

import re
from collections.abc import Iterable
from typing import Any

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import HiddenField, SelectField, StringField, validators
from wtforms.fields.choices import SelectChoice

from eduhub.errors import N_, EduHubError, sentences
from eduhub.web import csrf, languages

_PATH = re.compile(r"/(?![/\\])[^\\]*")
_THEIRS = {
    "Not a valid choice.": N_("Choose one of the list."),
    "Not a valid integer value.": N_("Type a whole number."),
    "Not a valid date value.": N_("Choose a day."),
}


class _OurWords:
    """What WTForms asks for translations of its own messages."""

    def gettext(self, message: str) -> str:
        return str(gettext(_THEIRS.get(message, message)))

    def ngettext(self, one: str, many: str, count: int) -> str:
        return str(gettext(one if count == 1 else many))


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """A form with a CSRF token and our words."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """Where WTForms looks its messages up, and how the token is written."""

        csrf_class = csrf.FormToken

        def get_translations(self, form: Any) -> Any:
            """Our own catalogue."""
            return _OurWords()

    def refuse(self, error: EduHubError, field: str | None = None) -> None:
        """Put the sentences of a refusal into the form, at `field` or above it all."""
        text = sentence(error)
        if field:
            self[field].errors = [*self[field].errors, text]
        else:
            self.form_errors.append(text)


def sentence(error: EduHubError) -> str:
    """What happened and what to do, in the page's language."""
    happened, _kept, next_step = sentences(error, error.facts, gettext)
    return languages.in_a_row(happened, next_step)


def needed(message: Any) -> list[Any]:
    """The validators of a field that must not be empty, with our own words."""
    return [validators.InputRequired(message), validators.DataRequired(message)]


def text_field(label: Any, message: Any | None = None, *, longest: int = 200) -> StringField:
    """A line of text; with a message, one that must be there."""
    too_long = lazy_gettext("This is too long: at most %(longest)s letters.", longest=longest)
    return StringField(
        label,
        validators=[*(needed(message) if message else []), validators.Length(max=longest, message=too_long)],
        filters=[lambda text: text.strip() if text else text], render_kw={"maxlength": longest},
    )  # fmt: skip


def language_field() -> SelectField:
    """What language something is in."""
    return SelectField(lazy_gettext("Language"), choices=pairs(languages.NAMES.items()))


def pairs(found: Iterable[tuple[str, Any]]) -> list[SelectChoice]:
    """(value, words) as what a select field offers; words of the content say by their letters in which language they are."""
    return [SelectChoice(value, words, _said_to_be(words)) for value, words in found]


def _said_to_be(words: Any) -> dict[str, str]:
    tag = languages.of_text(words) if isinstance(words, str) else None  # ours are made when the page is
    return {"lang": tag} if tag else {}


def back_field() -> HiddenField:
    """Where to go afterwards."""
    return HiddenField()


def local_path(text: str | None) -> str:
    """`text` if it is a path of this site, else the first page: no form may lead elsewhere."""
    # Browsers drop tabs and line ends from an address before they read it: "/<tab>/x" is the site x.
    return text if text and _PATH.fullmatch(text) and text.isprintable() else "/"
