"""What a hub says to one box, as one thing that anybody may carry and change, and who carries it: the link, or a stick."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from eduhub.db import Base
from eduhub.delivery import catalog
from eduhub.delivery.models import BlobRow
from eduhub.errors import EduHubError
from eduhub.installation import Installation
from eduhub.sync import rounds
from eduhub.sync.courier import layout, trips
from eduhub.sync.models import Node
from eduhub.sync.school_stream import stream_pages, streams
from tests.sync.world import Hub, WireCarrier

# What a box notes of the other side's being there at all, and when it tried.
_OF_THE_MOMENT = {"upstream": {"hub_time_ms", "hub_time_steady_s", "last_contact_ms", "last_error"}}


class Endless:
    """Bytes without end."""


Content = bytes | Endless


@dataclass
class Carried:
    """Unverified bytes. `about`: epoch, epoch_statement, head."""

    about: dict[str, Any]
    pages: dict[int, Content]  # of the catalog
    blobs: dict[str, Content]
    stream: dict[tuple[int, int, int], Content]  # by epoch, after, upto

    def copy(self) -> "Carried":
        """Another one, to be changed."""
        return copy.deepcopy(self)

    def head(self) -> dict[str, Any]:
        """The document that the head's signature covers."""
        found: dict[str, Any] = self.about["head"]["head"]
        return found


def carried_from(hub: Hub, node_name: str, after: int) -> Carried:
    """What an honest carrier brings a box that has read its stream up to `after`."""
    with hub.here.database.write() as session:
        node = session.scalars(select(Node).where(Node.name == node_name)).one()
        state = catalog.state(session)
        streams.refresh(session, node.org_uid)
        page = streams.page(session, node.org_uid, epoch=state.epoch, after=after)
        sealed = stream_pages.sealed_page(page.payload, hub.here.keys.publishing, node)
        numbers = range(catalog.page_of(state.sequence) + 1)
        names = session.scalars(select(BlobRow.sha256)).all()
        return Carried(
            {"epoch": state.epoch, "epoch_statement": state.epoch_statement, "head": copy.deepcopy(state.head)},
            {number: catalog.page(session, number) for number in numbers},
            {name: hub.here.blobs.path(name).read_bytes() for name in names},
            {(state.epoch, after, page.upto): sealed},
        )


class ByStick:
    """Carries it on a stick."""

    def __init__(self, hub: Hub, box: Installation, folder: Path) -> None:
        self._hub, self._box, self._folder, self._count = hub, box, folder, 0

    def bring(self, carried: Carried) -> None:
        """Let the box have it. What the box refuses it says in its report."""
        self._count += 1
        place = self._folder / f"stick{self._count}"
        place.mkdir()
        with self._box.database.read() as session:
            node = session.scalars(select(Node)).one()
        trips.export(self._hub.here, place, nodes=(node.uid,), on_progress=lambda _share: None)
        root = place / layout.FOLDER
        about = json.loads((root / "about.json").read_bytes()) | carried.about
        (root / "about.json").write_text(json.dumps(about))
        head = about["head"]["head"]
        for path in [path for name in ("catalog", "blobs", "stream") for path in (root / name).rglob("*") if path.is_file()]:
            path.unlink()
        for number, page in carried.pages.items():
            _put(root.joinpath(*layout.catalog_page(head["epoch"], number, head["sequence"])), page)
        for name, blob in carried.blobs.items():
            _put(root.joinpath(*layout.blob(name)), blob)
        for place_of, sealed in carried.stream.items():
            _put(root.joinpath(*layout.stream_page(node.uid, *place_of)), sealed)
        with suppress(EduHubError):
            trips.take_in(self._box, place, on_progress=lambda _share: None)


def _put(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with path.open("wb") as file:
            file.truncate(1 << 42)


class ByLink:
    """Carries it over HTTP, and passes on to the hub what it cannot answer itself."""

    def __init__(self, hub: Hub, box: Installation, _folder: Path) -> None:
        self._hub, self._box = hub, box

    def bring(self, carried: Carried) -> None:
        """Let the box have it, in one round."""
        between: Any = _Between(self._hub, carried)
        with suppress(EduHubError):
            rounds.run(self._box, on_progress=lambda _share: None, transport=between, carrier=WireCarrier(between))


class _Between(httpx.BaseTransport):
    """Somebody on the line."""

    def __init__(self, hub: Hub, carried: Carried) -> None:
        self._hub, self._carried = hub, carried

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer in the hub's place, or ask it."""
        carried, parts = self._carried, request.url.path.strip("/").split("/")
        if parts[0] == "p":
            return self._range(request, carried.blobs.get(parts[2]))
        if parts[2:4] == ["catalog", "pages"]:
            return self._whole(carried.pages.get(int(parts[4])))
        if parts[2:] == ["stream"]:
            after = int(request.url.params["after"])
            found = [sealed for place, sealed in carried.stream.items() if place[1] == after]
            if found:
                return self._whole(found[0])
        request.headers["Accept-Encoding"] = "identity"
        answer = self._hub.wire.handle_request(request)
        if parts[2:] == ["hello"]:
            greeting = json.loads(answer.read()) | carried.about
            return _answer(lambda: iter([json.dumps(greeting).encode()]))
        return answer

    def _range(self, request: httpx.Request, content: Content | None) -> httpx.Response:
        first, last = (int(number) for number in request.headers["Range"].removeprefix("bytes=").split("-"))
        if content is None or (isinstance(content, bytes) and first >= len(content)):
            return httpx.Response(404, json={"code": "storage.blob_missing"})
        if isinstance(content, bytes):
            piece = content[first : last + 1]
            where = {"Content-Range": f"bytes {first}-{first + len(piece) - 1}/{len(content)}"}
            return _answer(lambda: iter([piece]), 206, where)
        return _answer(lambda: iter([bytes(last - first + 1)]), 206, {"Content-Range": f"bytes {first}-{last}/{1 << 42}"})

    def _whole(self, content: Content | None) -> httpx.Response:
        if content is None:
            return httpx.Response(404, json={"code": "asked.not_found"})
        return _answer((lambda: iter([content])) if isinstance(content, bytes) else _endless)


def _answer(blocks: Callable[[], Iterator[bytes]], status: int = 200, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, stream=_Blocks(blocks), headers=headers)


class _Blocks(httpx.SyncByteStream):
    """As they come over a line."""

    def __init__(self, blocks: Callable[[], Iterator[bytes]]) -> None:
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks()


def _endless() -> Iterator[bytes]:
    while True:
        yield bytes(1 << 16)


Carrier = Callable[[Hub, Installation, Path], Any]


def everything(box: Installation) -> dict[str, Any]:
    """All rows of a box and all files that it shows or keeps, but for what it notes of the moment."""
    found: dict[str, Any] = {}
    with box.database.read() as session:
        for table in Base.metadata.sorted_tables:
            rows = session.execute(select(table)).mappings().all()
            without = _OF_THE_MOMENT.get(table.name, set())
            found[table.name] = sorted(repr({name: row[name] for name in row if name not in without}) for row in rows)
    for folder in ("blobs", "packages", "keys"):
        root = box.settings.data_dir / folder
        found[folder] = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return found
