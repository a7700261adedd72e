"""Which pages an installation has. What is not in its list does not exist there.

Each room says so of its own pages, in a `pages.py`; those that belong to no room are here.
"""

from collections.abc import Sequence

from flask import Blueprint

from eduhub.web import box, captive, courier_at_box, first_start, home, poster, search
from eduhub.web.accounts import pages as accounts
from eduhub.web.learning import pages as learning
from eduhub.web.operator import pages as operator
from eduhub.web.school import pages as school
from eduhub.web.teaching import pages as teaching

_EVERYWHERE: Sequence[Blueprint] = (
    home.bp, search.bp, *accounts.EVERYWHERE, *learning.EVERYWHERE, *teaching.EVERYWHERE, *school.EVERYWHERE,
    *operator.EVERYWHERE,
)  # fmt: skip
_AT_THE_HUB: Sequence[Blueprint] = (
    search.teaching_bp, poster.at_the_hub, *teaching.AT_THE_HUB, *school.AT_THE_HUB, *operator.AT_THE_HUB,
)  # fmt: skip
_AT_A_BOX: Sequence[Blueprint] = (box.bp, courier_at_box.bp, first_start.bp, poster.bp, captive.bp, *school.AT_A_BOX, *accounts.AT_A_BOX)


def of(role: str) -> Sequence[Blueprint]:
    """The pages of a 'hub' or of a 'node'."""
    return [*_EVERYWHERE, *(_AT_THE_HUB if role == "hub" else _AT_A_BOX)]
