"""Whatever writes to the database through a page leaves an entry in the audit list, and every entry has words.

A view that writes nothing down stands in NOT_WRITTEN_DOWN with the reason, or in WRITTEN_DOWN_BELOW with the function that does it.
"""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import force_locale

import eduhub.web
from eduhub.accounts import audit
from eduhub.sync.homeward import rights
from eduhub.web.operator import audit_words

ROOM = Path(eduhub.web.__file__).parent
OPENERS = {"writing", "undoable"}
NOT_WRITTEN_DOWN = {
    "box.fetch_first": "says in which order the box fetches, for a week at most",
    "edge.writing": "opens it for the views that write something down in it",
    "first_start._count_try": "counts a try, and keeps neither name nor address",
    "accounts/limits.take": "counts a try, and keeps neither name nor address",
    "accounts/limits.give_back": "uncounts one",
    "accounts/sign_in._come_in": "signing in is in the table of sign-ins",
    "accounts/class_list._come_in": "signing in is in the table of sign-ins",
    "accounts/turns.change": "signing in is in the table of sign-ins",
    "learning/open_courses.place": "a place has no name, and what it does is nobody's to read",
    "learning/open_courses.new_place": "a place has no name, and what it does is nobody's to read",
    "school/history.undoable": "opens it for the views that write something down in it",
    "teaching/announcing.light_copy": "the video it is a copy of was written down when it was announced",
    "teaching/reviewing._lesson_page": "holds the recordings that it shows for as long as it looks",
    "teaching/previewing.preview": "makes a package for the reader alone, who only looks",
}
WRITTEN_DOWN_BELOW = {
    "operator/courier.pack": ("eduhub.web.stick_making", "begin"),
    "school/sticks_at_hub.pack": ("eduhub.web.stick_making", "begin"),
    "first_start.join": ("eduhub.sync.boxes.nodes", "accept"),  # by the hub: nobody has signed in at a box that belongs to nobody
    "teaching/courses.publish": ("eduhub.courses.publishing", "publish"),
    "teaching/courses.withdraw": ("eduhub.courses.publishing", "withdraw"),
    "teaching/reviewing.publish": ("eduhub.courses.publishing", "publish"),
    "teaching/reviewing.send_back": ("eduhub.courses.reviewing", "send_back"),
    "teaching/reviewing.ask_for_review": ("eduhub.courses.reviewing", "set_asked"),
}


def calls(node: ast.AST) -> set[str]:
    """The names of what is called anywhere inside."""
    found = (call.func for call in ast.walk(node) if isinstance(call, ast.Call))
    return {func.id if isinstance(func, ast.Name) else func.attr for func in found if isinstance(func, ast.Name | ast.Attribute)}


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def notes(name: str, among: dict[str, ast.FunctionDef], seen: frozenset[str] = frozenset()) -> bool:
    """Whether a function writes an entry, itself or by another one of its module."""
    called = calls(among[name])
    further = (called & among.keys()) - seen - {name}
    return "note" in called or any(notes(one, among, seen | {name}) for one in further)


def silent() -> set[str]:
    """Every function of the pages that opens a transaction to write, or one with a button that undoes it, and writes no entry."""
    found = set()
    for path in ROOM.rglob("*.py"):
        among = functions(path)
        place = path.relative_to(ROOM).with_suffix("").as_posix()
        found |= {f"{place}.{name}" for name, node in among.items() if calls(node) & OPENERS and not notes(name, among)}
    return found


def test_every_view_that_writes_leaves_an_entry_or_says_why_not() -> None:
    assert silent() == NOT_WRITTEN_DOWN.keys() | WRITTEN_DOWN_BELOW.keys()


@pytest.mark.parametrize("view", WRITTEN_DOWN_BELOW)
def test_what_is_written_down_below_the_view_is_written_down_there(view: str) -> None:
    module, name = WRITTEN_DOWN_BELOW[view]
    path = Path(inspect.getfile(importlib.import_module(module)))
    assert notes(name, functions(path))


@pytest.mark.parametrize("language", ["en", "zh", "bo"])
def test_every_action_has_words_in_three_languages(app: Flask, language: str) -> None:
    assert {*audit.ACTIONS, audit.PUT_ASIDE} == audit_words.WORDS.keys()
    with app.test_request_context(), force_locale(language):
        for action in (*audit.ACTIONS, f"{audit.PUT_ASIDE}.organisation"):
            word = audit_words.word_of(action)
            assert word != action
            assert (word in audit_words.WORDS.values()) == (language == "en"), f"{action} has no words in {language}"
        word = audit_words.word_of(f"{audit.PUT_ASIDE}.more.7")
        assert word.startswith(audit_words.word_of(audit.PUT_ASIDE))
        assert "7" in word
        assert ("times on that day" in word) == (language == "en")


def test_an_action_that_is_not_in_the_list_is_never_written_down() -> None:
    """Every literal that is noted anywhere, whether or not a test comes by."""
    sources = [path.read_text(encoding="utf-8") for path in ROOM.parent.rglob("*.py")]
    said = {name for text in sources for name in re.findall(r'(?:note|_changed)\(\s*\w+,\s*"([^"{]+\.[^"{]+)"', text)}
    assert len(said) > 40
    assert said <= audit.ACTIONS


def test_every_reason_why_a_boxs_row_is_put_aside_can_be_written_down() -> None:
    reasons = set(re.findall(r'Refusal\("([^"]+)"\)', Path(rights.__file__).read_text(encoding="utf-8"))) | {"kind", "format"}
    assert len(reasons) > 10
    assert all(audit._PUT_ASIDE.fullmatch(f"{audit.PUT_ASIDE}.{reason}") for reason in reasons)
