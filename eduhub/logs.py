"""How a log line looks, and what may never be in one.

Every line goes to standard error as one event with fields: JSON for machines, text for
people. `about(...)` puts a correlation id (of a request, a job, a sync round) on every line
that is written inside it. Fields that could hold personal data or a secret are dropped by
their name, whatever their value: names live in the roster and nowhere else.

    from eduhub import logs
    log = logs.logger(__name__)
    log.info("package published", package=package_id, revision=3)

This module must not know any domain.
"""

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Protocol

import structlog

# A field whose name is one of these, or ends in "_" and one of these, is never written.
NEVER_LOGGED = frozenset(
    {
        "address", "authorization", "body", "card", "code", "cookie", "cookies", "display_name", "email", "file_name",
        "headers", "name", "names", "nonce", "passphrase", "password", "phone", "private", "secret", "sign_in_name",
        "title", "token", "verifier",
    }
)  # fmt: skip
# Fields that end like a forbidden one and are harmless: stable words of our own tables.
ALLOWED = frozenset({"error_code", "exit_code", "logger_name", "table_name"})
# What a `code` may be: one of the error table, "jobs.lease_lost". No code for joining or signing in looks like it.
_ERROR_CODE = re.compile(r"[a-z]+\.[a-z_]+")


class HasLogFormat(Protocol):
    """The one setting that this module needs."""

    @property
    def log_format(self) -> str:
        """json or text."""


def logger(name: str) -> Any:
    """The logger of a module; its methods take an event text and fields by name."""
    return structlog.get_logger(logger_name=name)


def configure(settings: HasLogFormat, least: int = logging.INFO) -> None:
    """Set up logging for this process, also for the libraries that use Python's own; `least` is a level of `logging`."""
    form = settings.log_format
    # Not the prettier traces that it makes where `rich` is installed: those show local variables, so passwords too.
    renderer: Any = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    if form == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    # A trace is text of its own in JSON; ConsoleRenderer formats it itself.
    trace: list[Any] = [structlog.processors.format_exc_info] if form == "json" else []
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        drop_what_is_never_logged,
    ]
    structlog.configure(
        processors=[*shared, *trace, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *trace, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(least)
    # httpx writes every address it asks for, and an address can hold what is nobody's business;
    # alembic writes four lines at every start.
    for talkative in ("httpx", "alembic"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


def drop_what_is_never_logged(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove forbidden fields, at any depth, and say how many went."""
    kept, dropped = _without_forbidden(event)
    if dropped:
        kept["dropped_fields"] = dropped
    return kept


def _without_forbidden(fields: MutableMapping[str, Any]) -> tuple[dict[str, Any], int]:
    kept: dict[str, Any] = {}
    dropped = 0
    for key, value in fields.items():
        if _is_forbidden(str(key), value):
            dropped += 1
        elif isinstance(value, MutableMapping):
            kept[key], more = _without_forbidden(value)
            dropped += more
        else:
            kept[key] = value
    return kept, dropped


def _is_forbidden(key: str, value: object) -> bool:
    key = key.lower()
    if key in ALLOWED or (key == "code" and isinstance(value, str) and _ERROR_CODE.fullmatch(value)):
        return False
    return key in NEVER_LOGGED or any(key.endswith(f"_{word}") for word in NEVER_LOGGED)


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Put `fields` (correlation=..., job=...) on every line written inside."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield
