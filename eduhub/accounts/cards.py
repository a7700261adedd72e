"""The code on a child's card: 130 random bits, written as 26 Crockford base32 digits. Pure functions.

Only the SHA-256 of the code is kept. A slow hash would add nothing: nobody guesses 130 bits.
"""

import hashlib
import re
import secrets

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O and U: they are misread, or make words
_MISREAD = str.maketrans("OIL", "011")
_CODE = re.compile(f"[{_DIGITS}]{{26}}")


def new_code() -> str:
    """A fresh code."""
    return write(secrets.randbits(130))


def write(number: int) -> str:
    """130 bits as 26 digits, the most significant first."""
    return "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))


def read(typed: str) -> str | None:
    """What a person typed as the code it means (case, spaces and dashes do not count); None when it is none."""
    plain = re.sub(r"[\s\-\u2010-\u2015]", "", typed[:200]).upper().translate(_MISREAD)
    return plain if _CODE.fullmatch(plain) else None


def make_verifier(code: str) -> str:
    """What is kept of a code."""
    return hashlib.sha256(code.encode("ascii")).hexdigest()
