"""The twelve pictures: one stands beside each child's name, and three in a row are a child's secret.

Drawn in templates/accounts/pictures.html; the order here is what a secret is written in, so nothing is put between.
"""

import hashlib

from flask_babel import lazy_gettext

from eduhub.accounts import picture_secrets
from eduhub.accounts.models import Person

WORDS = {
    "sun": lazy_gettext("Sun"), "moon": lazy_gettext("Moon"), "star": lazy_gettext("Star"),
    "mountain": lazy_gettext("Mountain"), "tree": lazy_gettext("Tree"), "flower": lazy_gettext("Flower"),
    "fish": lazy_gettext("Fish"), "house": lazy_gettext("House"), "boat": lazy_gettext("Boat"),
    "bird": lazy_gettext("Bird"), "tent": lazy_gettext("Tent"), "cup": lazy_gettext("Cup"),
}  # fmt: skip


def of_person(person: Person) -> str:
    """The picture beside a child's name: the one that was given, or one that follows from the uid."""
    if person.picture in picture_secrets.PICTURES:
        return str(person.picture)
    number = hashlib.sha256(person.uid.encode()).digest()[0]
    return picture_secrets.PICTURES[number % len(picture_secrets.PICTURES)]
