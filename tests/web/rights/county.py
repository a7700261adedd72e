"""One hub and one box on the same rows, asked by everybody of `readers.py`; nothing that is asked for is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from flask import Flask, session
from sqlalchemy.orm import Session

from eduhub import guard
from eduhub.accounts.models import SignIn
from eduhub.app import create_app
from eduhub.config import Settings
from eduhub.db import Database
from eduhub.installation import open_installation
from eduhub.web import csrf
from tests.web.rights import readers


@dataclass(frozen=True)
class County:
    """A hub and a box on the same rows, and a cookie and a token of each reader."""

    apps: dict[str, Flask]
    things: dict[str, str]
    browsers: dict[str, tuple[str, str]]


@contextmanager
def opened(settings: Settings) -> Iterator[County]:
    """One world for all questions, which none of them changes."""
    hub = open_installation(settings)
    things = readers.make_things(hub)
    box = replace(hub, settings=replace(hub.settings, role="node", school_dns=True))
    box.keys.make_node_keys()
    apps = {"hub": create_app(installation=hub), "box": create_app(installation=box)}
    with hub.database.write() as db:
        signed_in = readers.sign_everybody_in(db, things)
        browsers = {reader: _browser(apps["hub"], made) for reader, made in signed_in.items()}
    with _keeping_nothing():
        yield County(apps, things, browsers)
    hub.database.close()


def _browser(app: Flask, made: SignIn | None) -> tuple[str, str]:
    """The cookie and the token of a browser in which somebody is signed in."""
    with app.test_request_context():
        if made is not None:
            guard.remember(made)
        token = csrf.token()
        answer = app.response_class()
        app.session_interface.save_session(app, session, answer)  # type: ignore[arg-type]  # a proxy of it
    return answer.headers["Set-Cookie"].partition(";")[0], token


@contextmanager
def _keeping_nothing() -> Iterator[None]:
    """Whatever is written is rolled back where it would be committed."""
    patch = pytest.MonkeyPatch()

    @contextmanager
    def write(database: Database) -> Iterator[Session]:
        with Session(database.engine, expire_on_commit=False) as opened:
            if database.is_sqlite:
                opened.connection().exec_driver_sql("BEGIN IMMEDIATE")
            yield opened
            opened.flush()
            opened.expunge_all()
            opened.rollback()

    patch.setattr(Database, "write", write)
    yield
    patch.undo()
