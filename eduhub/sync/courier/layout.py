"""Where things lie in a courier's folder, and how they are named. See docs/formats/courier.md.

Names have small letters, digits, hyphens and dots only, so that FAT keeps them apart. What a name says is a place to
look at and never believed.

This module must not know files or the database.
"""

import re

from eduhub.delivery.catalog import PAGE_ENTRIES
from eduhub.delivery.chain import MAX_PAGE_BYTES

FOLDER = "eduhub-courier"
FORMAT = "eduhub-courier/1"

Parts = tuple[str, ...]  # a path below the folder

ABOUT: Parts = ("about.json",)
JOURNAL: Parts = ("written.txt",)
BLOBS, CATALOG, STREAM, WANT, HOME, ACKS, GRANTS = "blobs", "catalog", "stream", "want", "home", "acks", "grants"

MAX_ABOUT_BYTES = 64 << 10
MAX_JOURNAL_BYTES = 32 << 20
MAX_WANT_BYTES = 256 << 10
MAX_HOME_BYTES = 4 << 20  # a batch of 1 MiB or a page of 2, in base64, signed and sealed
MAX_ACKS_BYTES = 256 << 10
MAX_STREAM_BYTES = 4 << 20
MAX_GRANT_BYTES = 1 << 20  # of 20,000 courses

# So many names of one folder are looked at; who made more of them is no hub of ours.
MAX_NODES, MAX_HOME_FILES, MAX_STREAM_FILES, MAX_BLOBS_A_FOLDER = 2_000, 20_000, 20_000, 20_000

UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WANT_FILE = re.compile(rf"({UID.pattern})\.json")
_NUMBER = r"[0-9]{1,15}"
CATALOG_FILE = re.compile(rf"{_NUMBER}-{_NUMBER}-{_NUMBER}\.json(?:\.part)?")
BLOB_FILE = re.compile(r"[0-9a-f]{64}(?:\.part)?")
STREAM_FILE = re.compile(rf"({_NUMBER})-({_NUMBER})-({_NUMBER})\.page")
_BATCH, _PAGE = rf"({UID.pattern})-({_NUMBER})-({_NUMBER})", rf"page-({_NUMBER})"
HOME_FILE = re.compile(rf"{_BATCH}\.sealed")
JOURNAL_LINE = re.compile(r"([0-9a-f]{64}) ([0-9]{1,15}) ok")
PAGE_FILE = re.compile(rf"{_PAGE}\.sealed")
HOME_NAME_IN = re.compile(rf"({_BATCH}|{_PAGE})")  # in a name that a phone has added to: "... (1).sealed"


def blob(sha256: str) -> Parts:
    """A blob; the manifest of a package is one, too."""
    return BLOBS, sha256[:2], sha256


def catalog_page(epoch: int, number: int, head_sequence: int) -> Parts:
    """The page of a catalog as it was when its head stood at `head_sequence`: a page that grew has another name."""
    return CATALOG, f"{epoch}-{number}-{min(head_sequence, (number + 1) * PAGE_ENTRIES)}.json"


def stream_page(node_uid: str, epoch: int, after: int, upto: int) -> Parts:
    """A sealed page of the school stream."""
    return STREAM, node_uid, f"{epoch}-{after}-{upto}.page"


def read_stream_name(name: str) -> tuple[int, int, int] | None:
    """(epoch, after, upto) that a page's name promises; None for another file."""
    match = STREAM_FILE.fullmatch(name)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def want(node_uid: str) -> Parts:
    """What a box says that it holds."""
    return WANT, f"{node_uid}.json"


def home(node_uid: str, incarnation: str, first: int, last: int) -> Parts:
    """Rows of a box's outbox, sealed to the hub."""
    return HOME, node_uid, f"{incarnation}-{first}-{last}.sealed"


def read_home_name(name: str) -> tuple[str, int, int] | None:
    """(incarnation, first, last) that a batch's name promises; None for another file."""
    match = HOME_FILE.fullmatch(name)
    return (match[1], int(match[2]), int(match[3])) if match else None


def page_home(node_uid: str, upto: int) -> Parts:
    """A page of the school stream that a box gives back to a restored hub, sealed to it."""
    return HOME, node_uid, f"page-{upto}.sealed"


def acks(node_uid: str) -> Parts:
    """How far the hub is with a box's outbox."""
    return ACKS, f"{node_uid}.json"


def grant(node_uid: str) -> Parts:
    """What a box may have of other boxes."""
    return GRANTS, f"{node_uid}.json"


def node_of(parts: Parts) -> str | None:
    """Whose word to the hub a path holds: the box of a want-list, or of what goes home; None for any other file."""
    if len(parts) == 2 and parts[0] == WANT and (match := WANT_FILE.fullmatch(parts[1])):
        return match[1]
    if len(parts) == 3 and parts[0] == HOME and UID.fullmatch(parts[1]):
        return parts[1] if HOME_FILE.fullmatch(parts[2]) or PAGE_FILE.fullmatch(parts[2]) else None
    return None


def most_bytes(parts: Parts, most_of_blob: int) -> int | None:
    """How large a file at this path may be; None where no reader looks for one."""
    if node_of(parts) is not None:
        return MAX_WANT_BYTES if parts[0] == WANT else MAX_HOME_BYTES
    if parts == ABOUT:
        return MAX_ABOUT_BYTES
    match parts:
        case (folder, name) if folder in (ACKS, GRANTS) and WANT_FILE.fullmatch(name):
            return MAX_ACKS_BYTES if folder == ACKS else MAX_GRANT_BYTES
        case ("catalog", name) if CATALOG_FILE.fullmatch(name) and not name.endswith(".part"):
            return MAX_PAGE_BYTES
        case ("stream", node, name) if UID.fullmatch(node) and STREAM_FILE.fullmatch(name):
            return MAX_STREAM_BYTES
        case ("blobs", begin, name) if begin == name[:2] and BLOB_FILE.fullmatch(name) and len(name) == 64:
            return most_of_blob
    return None
