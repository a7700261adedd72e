"""Several processes of a hub write at once: the chain stays one chain, a blob one row."""

import threading
from collections.abc import Callable

from sqlalchemy import func, select

from eduhub.delivery import catalog
from eduhub.delivery.blobs import remember
from eduhub.delivery.models import BlobRow

from .conftest import Machine


def together(*runs: Callable[[], None]) -> None:
    start, failures = threading.Barrier(len(runs)), []

    def guarded(run: Callable[[], None]) -> None:
        start.wait()
        try:
            run()
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_entries_that_are_appended_at_once_make_one_chain(hub: Machine, node: Machine) -> None:
    def write() -> None:
        for number in range(6):
            with hub.here.database.write() as session:
                catalog.append(session, hub.here.keys, "note", {"number": number})

    together(write, write, write)
    assert hub.sequence == 19
    assert node.accept(*hub.offer()) == 19


def test_a_blob_that_two_writers_put_at_once_is_one_blob_and_one_row(hub: Machine) -> None:
    def write() -> None:
        for number in range(5):
            blob = hub.here.blobs.put_bytes(b"the same %d" % number)
            with hub.here.database.write() as session:
                remember(session, blob)

    together(write, write, write)
    with hub.here.database.read() as session:
        assert session.scalar(select(func.count()).select_from(BlobRow)) == 5
        for name in session.scalars(select(BlobRow.sha256)):
            assert hub.here.blobs.path(name).stat().st_nlink == 1
    assert list(hub.here.settings.data_dir.glob("blobs/.new-*")) == []
