"""Box: write onto a stick what goes home: the want-list, and the rows of the outbox that wait, sealed to the hub.

All that waits goes onto every stick: whichever comes first brings it, and the hub passes over what it has.

This module must not know what the hub makes of it. See docs/formats/courier.md.
"""

import contextlib
import re
from collections.abc import Mapping

from eduhub import changes, logs
from eduhub.delivery import catalog
from eduhub.delivery.trust import keyring
from eduhub.errors import NoCourier
from eduhub.installation import Installation
from eduhub.signing import canonical
from eduhub.sync.boxes import restoring
from eduhub.sync.courier import layout, sealing, wants
from eduhub.sync.courier.sealing import Letter
from eduhub.sync.courier.stick import Stick
from eduhub.sync.homeward import outbox
from eduhub.sync.models import Upstream
from eduhub.sync.school_stream import applying

log = logs.logger(__name__)

_OURS = re.compile(r"[0-9a-z-]{1,100}\.sealed(?:\.part)?")


def give(installation: Installation, stick: Stick, upstream: Upstream) -> int:
    """Write it; returns how many rows lie on the stick. Raises StickFull, StickReadOnly, StickGone, NoCourier.

    The want-list comes first: it is small, and says how much waits even where the rows find no room.
    """
    with changes.writing(installation.database) as session:
        outbox.queue_changes(session, installation.steady)
    with installation.database.read() as session:
        public, hub = sealing.stated_key(session), keyring(session).hub_uid
        incarnations = outbox.incarnations(session)
        want = wants.make(session, installation, upstream)
        is_behind = upstream.stream_epoch != catalog.state(session).epoch
        pages = [page.sequence for page in applying.kept_pages(session)] if is_behind else []
    node_uid = upstream.node_uid
    stick.write(layout.want(node_uid), [want])
    stick.settle()
    if public is None:
        log.info("the county has not said yet to which key a stick is sealed")
        return 0
    written, rows = set(), 0

    def put(parts: layout.Parts, letter: Letter) -> None:
        sealed = sealing.seal_letter(public, installation.keys.node_signing, hub=hub, node_uid=node_uid, letter=letter)
        stick.write(parts, [sealed])
        written.add(parts[-1])

    for sequence in pages:
        with installation.database.read() as session:
            body = canonical(restoring.page_to_give_back(session, sequence))
        put(layout.page_home(node_uid, sequence), Letter(sealing.PAGE, body))
    for incarnation in incarnations:
        after = 0
        while True:
            with changes.writing(installation.database) as session:
                batch = outbox.next_batch(session, incarnation, after=after)
            if batch is None:
                break
            put(layout.home(node_uid, incarnation, batch.first, batch.last), Letter(sealing.OUTBOX, batch.body))
            rows, after = rows + batch.last - batch.first + 1, batch.last
    with installation.database.read() as session:
        newest = {incarnation: outbox.newest(session, incarnation) for incarnation in incarnations}
    for name in stick.names((layout.HOME, node_uid), _OURS, limit=layout.MAX_HOME_FILES):
        if name not in written and _is_done_with(name, newest):
            with contextlib.suppress(NoCourier):  # a folder of that name
                stick.remove((layout.HOME, node_uid, name))
    stick.settle()
    return rows


def _is_done_with(name: str, newest: Mapping[str, int]) -> bool:
    """Whether the hub has the rows of a letter, or they lie in another one now. Rows that this box never made are neither: its
    disk was put back to an earlier state, and they are nowhere else any more.
    """
    place = layout.read_home_name(name)
    return place is None or place[2] <= newest.get(place[0], 0)
