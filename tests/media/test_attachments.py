"""A file that is to stand beside a lesson is what it says by its content, and a picture brings nothing but its pixels."""

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from eduhub.delivery import blobs, package
from eduhub.errors import AttachmentRefused, NotFound
from eduhub.installation import Installation, JobContext
from eduhub.media import attachments
from eduhub.media.models import Source
from eduhub.uids import new_uid


def pdf(catalog: bytes = b"/Type /Catalog", *, before: bytes = b"", objects: bytes = b"", trailer: bytes = b"") -> bytes:
    """The smallest PDF there is, with further objects."""
    body = b"%PDF-1.4\n1 0 obj\n<< " + catalog + b" >>\nendobj\n" + objects
    table = b"xref\n0 1\n0000000000 65535 f \ntrailer\n<< /Root 1 0 R " + trailer + b" >>\nstartxref\n%d\n%%%%EOF\n" % len(body)
    return before + body + table


def packed(said: bytes, how: bytes = b"/Filter /FlateDecode", *, kind: bytes = b"/ObjStm") -> bytes:
    """Objects in a stream, as PDF programs since 2003 write them."""
    payload = zlib.compress(said) if b"Flate" in how else said
    words = b"/Type " + kind + b" /N 1 /First 4 /Length %d " % len(payload) + how
    return b"2 0 obj\n<< " + words + b" >>\nstream\n" + payload + b"\nendstream\nendobj\n"


SCRIPT = b"3 0 << /S /JavaScript /JS (app.alert) >>"
PDF = pdf()
PLACE = b"GPS-of-the-school"


def arrived(installation: Installation, payload: bytes) -> str:
    blob = installation.blobs.put_bytes(payload)
    with installation.database.write() as session:
        blobs.remember(session, blob)
        source = Source(
            uid=new_uid(), org_uid=new_uid(), file_name="worksheet.pdf", language="bo", state="arrived", sha256=blob.sha256,
            bytes=blob.bytes, made_ms=0,
        )  # fmt: skip
        session.add(source)
        return source.uid


def check(installation: Installation, uid: str) -> Source:
    attachments.run(JobContext(installation, new_uid(), lambda done: None), uid)
    with installation.database.read() as session:
        return session.get_one(Source, uid)


def picture(kind: str, size: tuple[int, int] = (400, 300), mode: str = "RGB", **how: Any) -> bytes:
    out = io.BytesIO()
    depth = 2 if mode == "I;16" else len(mode)
    Image.frombytes(mode, size, os.urandom(size[0] * size[1] * depth)).save(out, kind, **how)
    return out.getvalue()


def with_camera() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Phone of Tashi", 6  # maker; turned a quarter
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x9286)[0x9286] = PLACE
    return picture("JPEG", exif=exif, comment=PLACE) + PLACE


def with_texts() -> bytes:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Location", PLACE.decode())
    return picture("PNG", pnginfo=texts)


@pytest.mark.parametrize("payload", [PDF, pdf(before=b"\n\n"), PDF + b"\r\n\0\0"], ids=["whole", "begins late", "ends late"])
def test_a_pdf_stays_as_it_is(installation: Installation, payload: bytes) -> None:
    source = check(installation, arrived(installation, payload))
    assert (source.state, source.probe) == ("checked", {"type": "application/pdf", "pieces": None})
    assert installation.blobs.path(source.sha256).read_bytes() == payload


@pytest.mark.parametrize(
    ("payload", "kind", "size"),
    [
        (with_camera(), "JPEG", (300, 400)), (with_texts(), "PNG", (400, 300)),
        (picture("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + PLACE), "WEBP", (400, 300)),
        (picture("PNG", mode="RGBA"), "PNG", (400, 300)),
        (picture("JPEG", (5000, 1000)), "JPEG", (2560, 512)),
        (picture("MPO", save_all=True, append_images=[Image.new("RGB", (400, 300))], exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + PLACE),
         "JPEG", (400, 300)),
        (picture("PNG", (20, 10), mode="I;16"), "PNG", (20, 10)), (picture("JPEG", mode="CMYK"), "JPEG", (400, 300)),
    ],
    ids=["jpeg", "png", "webp", "transparent", "large", "two pictures", "16 bits", "printer's"],
)  # fmt: skip
@pytest.mark.any_engine
def test_a_picture_is_written_anew_upright_and_tells_neither_place_nor_camera(
    installation: Installation, payload: bytes, kind: str, size: tuple[int, int]
) -> None:
    source = check(installation, arrived(installation, payload))
    made = installation.blobs.path(source.sha256).read_bytes()
    assert PLACE not in made
    assert b"Exif" not in made
    assert b"Tashi" not in made
    with Image.open(io.BytesIO(made)) as opened:
        assert (opened.format, opened.size) == (kind, size)
        assert dict(opened.getexif()) == {}
    assert source.probe["type"] == f"image/{kind.lower()}"
    assert (source.probe["width"], source.probe["height"]) == size
    assert source.bytes == len(made)
    pieces = source.probe["pieces"]
    assert (pieces is not None) == (len(made) > package.PIECE_BYTES)
    if pieces:
        assert installation.blobs.has(pieces)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose pixels would fill the memory."""
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"<!doctype html><script>alert(1)</script>", attachments.NOT_OPENED),
        (b"GIF89a" + bytes(40), attachments.NOT_OPENED),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", attachments.NOT_OPENED),
        (b"PK\x03\x04" + bytes(60), attachments.NOT_OPENED),
        (picture("JPEG")[:2000], attachments.NOT_OPENED),
        (bomb(60_000, 60_000), attachments.TOO_MANY_PIXELS),
        (bomb(1, 2_000_000), attachments.TOO_MANY_PIXELS),
        (b"%PDF-1.4\n<html><script>alert(1)</script>", attachments.BROKEN_PDF),
        (PDF[:-40], attachments.BROKEN_PDF),
        (PDF.replace(b"startxref\n", b"startxref\n9999"), attachments.BROKEN_PDF),
        (pdf(b"/Type /Catalog /OpenAction << /S /JavaScript /JS (app.alert) >>"), attachments.PROGRAM),
        (pdf(b"/Type /Catalog /OpenAction << /S /J#61vaScript /JS (app.alert) >>"), attachments.PROGRAM),
        (pdf(b"/Type /Catalog /Names << /EmbeddedFiles 3 0 R >>"), attachments.PROGRAM),
        (pdf(objects=packed(SCRIPT)), attachments.PROGRAM),
        (pdf(objects=packed(SCRIPT, b"/Filter [ /FlateDecode ]", kind=b"/Obj#53tm")), attachments.PROGRAM),
        (pdf(objects=packed(SCRIPT, b"")), attachments.PROGRAM),
        (pdf(objects=packed(SCRIPT.hex().encode(), b"/Filter /ASCIIHexDecode")), attachments.HIDDEN_PDF),
        (pdf(objects=packed(SCRIPT, b"/Filter [ /ASCIIHexDecode /FlateDecode ]")), attachments.HIDDEN_PDF),
        (pdf(objects=packed(SCRIPT, b"/Filter /FlateDecode /DecodeParms << /Predictor 12 >>")), attachments.HIDDEN_PDF),
        (pdf(objects=packed(bytes(65 << 20))), attachments.HIDDEN_PDF),
        (pdf(trailer=b"/Encrypt 5 0 R"), attachments.LOCKED_PDF),
        (PDF + bytes(attachments.MOST_BYTES), attachments.TOO_LARGE),
    ],
    ids=["page", "gif", "svg", "zip", "cut picture", "bomb", "thin bomb", "page as pdf", "cut pdf", "pdf without table", "program",
         "program written by numbers", "file inside", "packed program", "packed in another spelling", "not packed", "in digits", "packed twice",
         "shifted", "packed bomb", "locked",
         "too large"],
)  # fmt: skip
@pytest.mark.any_engine
def test_what_is_none_is_refused_for_good_with_a_reason(installation: Installation, payload: bytes, reason: str) -> None:
    uid = arrived(installation, payload)
    with pytest.raises(AttachmentRefused) as refused:
        check(installation, uid)
    assert refused.value.facts == {"reason": reason}
    assert not refused.value.retry
    source = check(installation, uid)  # once more: it is known
    assert source.state == "refused"
    assert source.refusal == {"code": "media.attachment_refused", "facts": {"reason": reason}}
    assert list((installation.settings.data_dir / "work").glob(".eduhub-work-*")) == []


def test_a_pdf_with_packed_objects_that_do_nothing_is_taken(installation: Installation) -> None:
    payload = pdf(objects=packed(b"3 0 << /Type /Page >>") + packed(b"0 0 m 10 10 l S", kind=b"/XObject"))
    assert check(installation, arrived(installation, payload)).state == "checked"


def test_the_job_is_safe_to_run_twice(installation: Installation) -> None:
    uid = arrived(installation, with_camera())
    assert check(installation, uid).sha256 == check(installation, uid).sha256


def test_a_file_that_never_came_is_said_to_be_missing(installation: Installation) -> None:
    with pytest.raises(NotFound):
        check(installation, new_uid())


def test_every_reason_of_the_child_has_words() -> None:
    child = Path(attachments.__file__).with_name("attachment_child.py").read_text(encoding="utf-8")
    said = {word for word in ("broken_pdf", "locked_pdf", "hidden_pdf", "program", "too_many_pixels", "not_opened") if f'"{word}"' in child}
    assert said == set(attachments._REASONS)
