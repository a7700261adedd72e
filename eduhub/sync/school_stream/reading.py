"""Node: read the school stream from the hub, page by page, each taken in as a whole before the next one is asked for.

This module must not know what a page means (`applying`), nor how it is sealed (`stream_pages`).
"""

from collections.abc import Iterator

from eduhub import changes
from eduhub.delivery import catalog
from eduhub.delivery.trust import keyring
from eduhub.installation import Installation
from eduhub.sync.link import PREFIX, Link
from eduhub.sync.models import Upstream
from eduhub.sync.school_stream import applying, stream_pages


def read(installation: Installation, link: Link, url: str) -> Iterator[int]:
    """Bring what is here of the stream of the upstream at `url` to its end; of each page how many entries it brought.

    Raises LinkDown, NodeRefused, NodeReplaced, BadFormat, BadSignature; the pages before it stay.
    """
    more = True
    while more:
        with installation.database.read() as session:
            after, held = session.get_one(Upstream, url).stream_sequence, catalog.sequence(session)
        sealed = link.get(f"{PREFIX}/stream?after={after}&catalog={held}")
        with changes.writing(installation.database) as session:
            page = stream_pages.open_page(sealed, installation.keys.node_sealing, keyring(session))
            count = applying.take_in(session, installation, session.get_one(Upstream, url), page)
        yield count
        more = page.more and page.upto > after
