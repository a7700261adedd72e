"""The half of reading a photo of a card that touches a stranger's bytes: a program of its own, run in the jail.

Run by path, as `python -I card_photo_child.py OPTIONS`, with the photo as its standard input. It prints one line of
JSON: what the squares in the photo say, or {"refused": why}. It writes nothing.

It must import nothing of EduHub: the jail shows it this one file.
"""

import json
import sys
from io import BytesIO
from typing import Any

import zxingcpp
from PIL import Image

_FORMATS = ("JPEG", "PNG", "WEBP")
_SQUARES = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
_MOST_SQUARES, _LONGEST = 16, 500


def main(options: dict[str, Any], photo: bytes) -> dict[str, Any]:
    """What the squares say; `side` is enough for a square that fills a fifth of the picture."""
    Image.MAX_IMAGE_PIXELS = None  # judged right below, before anything is decoded
    side = options["side"]
    try:
        with Image.open(BytesIO(photo), formats=_FORMATS) as image:
            is_plain_jpeg = image.format == "JPEG" and not image.info.get("progressive")
            if image.width * image.height > options["most_pixels_jpeg" if is_plain_jpeg else "most_pixels"]:
                return {"refused": "too_many_pixels"}
            image.draft("L", (side, side))
            grey = image.convert("L")
    except (OSError, ValueError, SyntaxError, MemoryError) as error:
        return {"refused": "not_opened", "detail": str(error)[:200]}
    grey.thumbnail((side, side))
    found = zxingcpp.read_barcodes(grey, formats=_SQUARES)
    return {"squares": [square.text[:_LONGEST] for square in found[:_MOST_SQUARES]]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]), sys.stdin.buffer.read())) + "\n")
