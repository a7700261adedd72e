"""What came packed with gzip, to no more than a bound: some hundred bytes can unpack to gigabytes.

This module must not know what is in it.
"""

import gzip
import io
import zlib

from eduhub.errors import BadFormat


def unpacked(packed: bytes, most: int) -> bytes:
    """The bytes that were packed. Raises BadFormat for what is no gzip, is cut short or has more than `most` of them."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            found = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadFormat("not gzip") from error
    if len(found) > most:
        raise BadFormat(f"it unpacks to more than {most} bytes")
    return found
