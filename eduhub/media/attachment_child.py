"""The half of checking an attachment that touches a stranger's bytes: a program of its own, run in the jail.

Run by path, as `python -I attachment_child.py OPTIONS`, in a folder that holds the file `input`. It says what the file
is, by its content and never by its name, and prints one line of JSON: facts, or {"refused": why}. A picture is decoded,
turned upright, made no larger than a page needs, and written anew as `made`, so that nothing but its pixels goes on: no
place, no camera, no comment, and nothing that was hidden behind its end. A PDF is looked through and stays as it is.

It must import nothing of EduHub: the jail shows it this one file.
"""

import json
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

MADE = "made"
_FORMATS = ("JPEG", "PNG", "WEBP")
_ALSO = {"MPO": "JPEG"}  # a phone's JPEG with a second picture behind it
_HEAD, _TAIL = 1024, 4096
_HEADER = re.compile(rb"%PDF-[12]\.\d")
_END = re.compile(rb"startxref\s{1,8}(\d{1,12})\s{1,8}%%EOF")
_TABLE = re.compile(rb"\s{0,16}(?:xref\b|\d{1,10}\s+\d{1,5}\s+obj\b)")
# What runs by itself when a reader opens it, or is another file inside.
_PROGRAM = re.compile(rb"/(?:JavaScript|Launch|EmbeddedFiles?|RichMedia|Rendition|GoToE)\b")
_LOCKED = re.compile(rb"/Encrypt\b")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")  # a letter of a name may be written by its number
_STREAM = re.compile(rb"\bstream\r?\n")
_WORDS_BEFORE_A_STREAM = 4096
_OBJECTS = re.compile(rb"/ObjStm\b")
_PLAIN_FLATE = re.compile(rb"/Filter\s*(?:\[\s*)?/FlateDecode\s*(?:\]|(?=[\s/>]))")
_OTHERWISE = re.compile(rb"/(?:Filter|F|FFilter|DecodeParms|DP)\b")
_MOST_UNPACKED = 64 << 20
_SAVED_AS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 85, "optimize": True, "progressive": True}, "PNG": {"optimize": True}, "WEBP": {"quality": 85},
}  # fmt: skip


def main(options: dict[str, Any]) -> dict[str, Any]:
    """The facts of the file `input` in this folder."""
    payload = Path("input").read_bytes()
    head = _HEADER.search(payload[:_HEAD])
    return _pdf(payload, head.start()) if head else _picture(options)


def _pdf(payload: bytes, begins: int) -> dict[str, Any]:
    """By its structure: a head, an end that names the table of its objects, and the table there."""
    ends = _END.findall(payload[-_TAIL:])
    # Some programs count from the head, where something stands before it.
    places = {int(ends[-1]), int(ends[-1]) + begins} if ends else set()
    if not any(_TABLE.match(payload[place : place + 64]) for place in places):
        return {"refused": "broken_pdf"}
    if _LOCKED.search(_plainly(payload)):
        return {"refused": "locked_pdf"}
    try:
        if any(_PROGRAM.search(_plainly(part)) for part in (payload, *_packed_objects(payload))):
            return {"refused": "program"}
    except _Hidden:
        return {"refused": "hidden_pdf"}
    return {"kind": "pdf"}


class _Hidden(Exception):
    """Objects are packed in a way that is not looked through here."""


def _plainly(part: bytes) -> bytes:
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), part)


def _packed_objects(payload: bytes) -> Iterator[bytes]:
    """What the object streams say. One is packed by Flate or not at all, as programs write it; anything else hides something."""
    left = _MOST_UNPACKED
    for found in _STREAM.finditer(payload):
        said = payload[max(0, found.start() - _WORDS_BEFORE_A_STREAM) : found.start()]
        said = _plainly(said[max(said.rfind(b" obj"), said.rfind(b"endstream"), said.rfind(b"\nobj"), 0) :])
        if not _OBJECTS.search(said):
            continue
        is_flate = _PLAIN_FLATE.search(said)
        if _OTHERWISE.search(_PLAIN_FLATE.sub(b" ", said)):
            raise _Hidden
        if not is_flate:
            continue  # it stands in the file as it is, and was looked at there
        try:
            unpacked = zlib.decompressobj().decompress(payload[found.end() :], left + 1)
        except zlib.error as error:
            raise _Hidden from error
        left -= len(unpacked)
        if left < 0:
            raise _Hidden
        yield unpacked


def _picture(options: dict[str, Any]) -> dict[str, Any]:
    Image.MAX_IMAGE_PIXELS = None  # judged right below, before anything is decoded
    try:
        with Image.open("input", formats=_FORMATS) as opened:
            if opened.width * opened.height > options["max_pixels"] or max(opened.size) > options["max_side"]:
                return {"refused": "too_many_pixels"}
            kind = _ALSO.get(str(opened.format), str(opened.format))
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            clear = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
            pixels = _eight_bits(upright).convert("RGBA" if clear and kind != "JPEG" else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # A file of another kind, and one that breaks off, look the same to whoever decodes them.
        return {"refused": "not_opened", "detail": str(error)[:200]}
    pixels.thumbnail((options["longest_side"], options["longest_side"]))
    clean = Image.new(pixels.mode, pixels.size)
    clean.paste(pixels)
    clean.save(MADE, kind, **_SAVED_AS[kind])
    return {"kind": kind.lower(), "width": clean.width, "height": clean.height}


def _eight_bits(picture: Image.Image) -> Image.Image:
    """A picture of 16 bits a point (a scanner's) as pages show it; others as they are."""
    return picture.convert("I").point(lambda value: value / 256).convert("L") if picture.mode.startswith("I") else picture


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))) + "\n")
