"""`eduhub user add`: the first person of a new hub, and others when the pages are out of reach."""

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from eduhub import changes, clock
from eduhub.accounts import audit, credentials, people, roles
from eduhub.config import Settings
from eduhub.errors import BadInput, NotFound
from eduhub.ops.opening import ready
from eduhub.schools import organisations
from eduhub.schools.models import Organisation

# The roles that this command gives; those of a course or a group are given on their pages.
ROLES = ("operator", "region_operator", "school_admin")


@click.group()
def user() -> None:
    """People who sign in."""


@user.command("add")
@click.option("--name", required=True, help="The person's name, as pages show it.")
@click.option("--sign-in-name", required=True, help="What the person types to sign in.")
@click.option("--role", type=click.Choice(ROLES), default="operator", show_default=True,
              help="operator: everything; region_operator, school_admin: one organisation and what is below it.")
@click.option("--organisation", help="Name or uid of the person's region or school. Not needed while there is one only.")
@click.option("--new-region", help="Make this region first. For the first person of a new hub.")
@click.option("--language", type=click.Choice(["en", "zh", "bo"]), help="Language of the pages for this person.")
@click.password_option(help="Asked for when it is not given; better so, since other users may see command lines.")
@click.pass_obj
def add(
    settings: Settings, *, name: str, sign_in_name: str, role: str, organisation: str | None, new_region: str | None,
    language: str | None, password: str,
) -> None:  # fmt: skip
    """Add a person who may sign in with a password.

    The first person of a new hub: eduhub user add --name Tenzin --sign-in-name tenzin --new-region Nagqu
    """
    with ready(settings) as installation, changes.writing(installation.database) as session:
        if new_region:
            home = organisations.add(session, kind="region", names={settings.default_language: new_region})
        else:
            home = find_organisation(session, organisation)
        person = people.add(session, org_uid=home.uid, name=name, sign_in_name=sign_in_name, language=language)
        credentials.set_password(session, person.uid, password)
        roles.grant(
            session, person_uid=person.uid, role=role, scope_kind="all" if role == "operator" else "organisation",
            scope_uid=None if role == "operator" else home.uid, org_uid=home.uid, starts_on=f"{clock.now():%Y-%m-%d}",
        )  # fmt: skip
        audit.note(session, "user.add", by_uid=None, org_uid=home.uid, subject_uid=person.uid)
        click.echo(f"{person.uid} can sign in as {sign_in_name}.")


def find_organisation(session: Session, wanted: str | None) -> Organisation:
    """The organisation with this uid or name in any language; the only one when nothing is wanted.

    Raises NotFound, and BadInput when several fit.
    """
    every = session.execute(select(Organisation)).scalars().all()
    found = [one for one in every if wanted is None or wanted == one.uid or wanted in one.names.values()]
    if not found:
        raise NotFound(f"no organisation {wanted}" if wanted else "no organisation yet: use --new-region")
    if len(found) > 1:
        listed = ", ".join(f"{one.uid} {'/'.join(one.names.values())}" for one in found)
        raise BadInput(f"name one of them with --organisation: {listed}")
    return found[0]


COMMANDS = (user,)
