"""What is the same for every test is worked out once in a process: half of all time went into it.

Each test makes an application, a database and passwords of its own, all of the same templates, routes, statements
and costs. What they do stays the same; only what was compiled is handed on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from argon2 import PasswordHasher
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from werkzeug.routing import Rule

from eduhub import db
from eduhub.accounts import passwords

# As they were imported: before any test could have changed them.
PASSWORDS_AS_SHIPPED = {name: getattr(passwords, name) for name in ("_hasher", "_NOBODY")}


@contextmanager
def in_this_process() -> Iterator[None]:
    """Until the end of the block what one test has compiled serves the next, and a password costs little to hash."""
    patch = pytest.MonkeyPatch()
    patch.setattr(Flask, "jinja_options", Flask.jinja_options | {"bytecode_cache": _Templates()})
    patch.setattr(Flask, "url_rule_class", _Rule)
    patch.setattr(db, "create_engine", _Engines().create)
    # A slow hash is for those who have stolen a database.
    patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    patch.setattr(passwords, "_NOBODY", passwords._NOBODY.replace("m=19456,t=2", "m=8,t=1"))
    yield
    patch.undo()


class _Templates(BytecodeCache):
    """What templates were compiled to, by the text they were made of."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._made.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._made[bucket.key, bucket.checksum] = bucket.code


class _Rule(Rule):
    """A route; what builds its addresses is taken from the same route of an earlier application."""

    made: ClassVar[dict[object, Callable[..., tuple[str, str]]]] = {}

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (tuple(self._trace), append_unknown, repr(self.defaults), tuple(sorted(self.arguments)))
        if key not in self.made:
            self.made[key] = super()._compile_builder(append_unknown)
        return self.made[key]


class _Engines:
    """Engines with connections of their own, and one dialect for all of a kind: statements are compiled for a dialect."""

    def __init__(self) -> None:
        self._dialects: dict[str, Dialect] = {}
        self._compiled: dict[Any, Any] = {}

    def create(self, url: str, **options: Any) -> Engine:
        """As SQLAlchemy's, which this stands in for in `eduhub.db`."""
        engine = create_engine(url, execution_options={"compiled_cache": self._compiled}, **options)
        name = f"{engine.dialect.name}+{engine.dialect.driver}"
        if name in self._dialects:
            engine.dialect = self._dialects[name]
        else:

            def has_met_the_server(_connection: Connection) -> None:  # now it knows what it can do
                self._dialects.setdefault(name, engine.dialect)

            event.listen(engine, "engine_connect", has_met_the_server)
        return engine
