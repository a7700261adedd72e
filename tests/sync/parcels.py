"""Files for sticks for the tests: what a browser fetches and sends, and what waits is done as a worker would."""

import io
import tarfile
from collections.abc import Iterable
from typing import Any

from eduhub.app import create_app
from eduhub.errors import EduHubError
from eduhub.installation import Installation, JobContext
from eduhub.jobs import queue
from eduhub.jobs.running import Worker
from eduhub.ops.handlers import HANDLERS
from eduhub.sync.courier import jobs
from eduhub.sync.courier.layout import FOLDER
from tests.web.world import Reader, add_adult


def reader(here: Installation, name: str, org_uid: str, role: str, kind: str = "organisation") -> Reader:
    """An adult of this machine, at a browser."""
    with here.database.write() as session:
        add_adult(session, name, org_uid, role, kind, None if kind == "all" else org_uid)
    return Reader(create_app(installation=here).test_client()).sign_in(name.lower())


def work(here: Installation) -> None:
    """Do what waits, as a worker would."""
    with Worker(here.settings.data_dir / "run") as worker:
        while (claim := queue.claim(here.database, worker, [jobs.EXPORT, jobs.IMPORT], 30.0)) is not None:
            failed: EduHubError | None = None
            try:
                HANDLERS[claim.kind](JobContext(here, claim.uid, lambda _share: None, claim.attempt), **claim.args)
            except EduHubError as error:
                failed = error
            with here.database.write() as session:
                if failed is None:
                    queue.finish(session, claim)
                else:
                    queue.fail(session, claim, failed)


def fetched(reader: Reader, page: str) -> bytes:
    """The newest file that a page offers."""
    text = reader.get(page).text
    address = text.split(f'href="{page}/files/')[1].split('"')[0]
    answer = reader.get(f"{page}/files/{address}")
    assert answer.status_code == 200
    return bytes(answer.data)


def send(reader: Reader, address: str, files: Iterable[tuple[bytes, str]], *, page: str) -> Any:
    """Send files with a page's form, as a browser does: the token first."""
    data = {"csrf_token": reader.csrf(page), "file": [(io.BytesIO(payload), name) for payload, name in files]}
    return reader.client.post(address, data=data, content_type="multipart/form-data")


def names_in(payload: bytes) -> list[str]:
    """What the standard library finds in a .tar, below the courier's folder."""
    with tarfile.open(fileobj=io.BytesIO(payload)) as found:
        assert all(member.isreg() for member in found)
        return [member.name.removeprefix(f"{FOLDER}/") for member in found]


def made_of(files: dict[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    """A .tar with these files, as another program writes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as made:
        for name, payload in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(payload)
            made.addfile(member, io.BytesIO(payload))
    return out.getvalue()


def left_over(here: Installation) -> list[str]:
    """Parcels on the disk of a machine."""
    folder = here.settings.data_dir / "courier"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
