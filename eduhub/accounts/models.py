"""Tables of people, credentials, sign-ins and roles. See docs/formats/credentials.md."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from eduhub.changes import Travelling
from eduhub.db import Base


class Person(Travelling, Base):
    """A child or an adult. Names live here (the roster) and nowhere else; `org_uid` is the home school.

    The uid is the pseudonym under which events, tokens and logs know the person.
    """

    __tablename__ = "person"
    name: Mapped[str] = mapped_column(String(200))
    # Adults sign in by it. Two machines may hand out the same one; sign-in tries each holder.
    sign_in_name: Mapped[str | None] = mapped_column(String(100))
    language: Mapped[str | None] = mapped_column(String(20))
    picture: Mapped[str | None] = mapped_column(String(40))


class RoleGrant(Travelling, Base):
    """person x role x scope x dates. `org_uid` is the school (or region) that granted it."""

    __tablename__ = "role_grant"
    sticky = frozenset({"ended_on"})
    person_uid: Mapped[str] = mapped_column(String(36), index=True)
    # operator, region_operator, school_admin, teacher, assistant, reviewer, student
    role: Mapped[str] = mapped_column(String(20))
    # all, organisation (with everything below it), course, group
    scope_kind: Mapped[str] = mapped_column(String(20))
    scope_uid: Mapped[str | None] = mapped_column(String(36), index=True)
    starts_on: Mapped[str] = mapped_column(String(10))
    ended_on: Mapped[str | None] = mapped_column(String(10), index=True)


class Credential(Travelling, Base):
    """One way to prove who one is.

    kind: password (argon2id verifier), one_time (the same, of a word that is only good for choosing a
    password), box_word (argon2id verifier of a longer word, good once at the boxes of `org_uid`, and
    nowhere else), card (SHA-256 of a 130-bit token), home_token (the same, for the hub), totp. Passwords,
    home tokens and TOTP secrets stay on `machine_uid`; only cards and words for boxes travel, and only to
    the nodes of their school.
    """

    __tablename__ = "credential"
    sticky = frozenset({"revoked_on"})
    person_uid: Mapped[str] = mapped_column(String(36), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    verifier: Mapped[str] = mapped_column(String(300), index=True)
    machine_uid: Mapped[str] = mapped_column(String(36))
    revoked_on: Mapped[str | None] = mapped_column(String(10))


class PictureSecret(Base):
    """The pictures with which a child signs in at this machine, beside the card. It holds as long as that card does.

    `verifier` is keyed with this machine's secret, and the row never leaves it: a few pictures are soon guessed.
    """

    __tablename__ = "picture_secret"
    person_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    card_uid: Mapped[str] = mapped_column(String(36))
    verifier: Mapped[str] = mapped_column(String(64))
    made_ms: Mapped[int]


class SignIn(Base):
    """One browser in which somebody is signed in. Stays on this machine; ending it signs out."""

    __tablename__ = "sign_in"
    uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    person_uid: Mapped[str] = mapped_column(String(36), index=True)
    credential_uid: Mapped[str] = mapped_column(String(36), index=True)
    started_ms: Mapped[int]
    ended_ms: Mapped[int | None]
    # The sort of browser, for its owner to know it again; and the last day on which it was used.
    browser: Mapped[str | None] = mapped_column(String(40))
    used_on: Mapped[str | None] = mapped_column(String(10))
    # It ended only because it was another child's turn, and whoever it was may come back in that browser.
    gave_way: Mapped[bool | None]


class TryCounter(Base):
    """How many tries to sign in were made lately; `key` is a keyed hash. Stays on this machine. See `tries`."""

    __tablename__ = "try_counter"
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    empty_at_ms: Mapped[int] = mapped_column(index=True)  # of the steady clock: then all is forgotten


class AuditEntry(Base):
    """Who did what to which thing. Uids only, no names. Stays on this machine."""

    __tablename__ = "audit_entry"
    uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    at_ms: Mapped[int] = mapped_column(index=True)
    by_uid: Mapped[str | None] = mapped_column(String(36), index=True)
    org_uid: Mapped[str | None] = mapped_column(String(36), index=True)
    action: Mapped[str] = mapped_column(String(60))
    subject_uid: Mapped[str | None] = mapped_column(String(36))
