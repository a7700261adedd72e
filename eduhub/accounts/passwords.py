"""Passwords: what is too weak, and the slow hash that stands in for one. Pure functions.

Argon2id with 19 MiB, two passes and one lane: what OWASP gives as the least, because thirty
adults may sign in at once on a box with 2 GB.
"""

import secrets
import unicodedata
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from eduhub.errors import PasswordTooWeak

_SYLLABLE = ("bdfghklmnprstvyz", "aeiou")
LEAST_LETTERS, MOST_LETTERS = 8, 200
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# A verifier that no password fits, with the same costs: somebody who is not here takes as long.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43

# The beginnings of every list of leaked passwords, and what people here would try first.
_COMMON = frozenset(
    """
    password passw0rd p@ssw0rd password1 password12 password123 passwort qwertyui qwertyuiop qwerty12 qwerty123
    1qaz2wsx zaq12wsx qazwsxedc asdfghjk asdfghjkl zxcvbnm1 zxcvbnm123 1q2w3e4r 1q2w3e4r5t q1w2e3r4 abcd1234 abc12345
    abc123456 a1234567 a12345678 a123456789 aa123456 aa12345678 qq123456 qq123456789 wang1234 123456aa 123456abc
    12345678 123456789 1234567890 0123456789 0987654321 987654321 87654321 12341234 11223344 112233445566 147258369
    123123123 123321123 12344321 12345679 123456788 135792468 1357924680 5201314520 52013145 woaini123 woaini1314
    woaini520 iloveyou iloveyou1 sunshine princess football baseball superman trustno1 starwars whatever letmein1
    welcome1 welcome123 administrator admin123 admin1234 admin12345 adminadmin administrador teacher1 teacher123
    student1 student123 student2026 school123 laoshi123 xuesheng xuesheng123 xuexiao123 tashidelek tashidelek1
    changeme changeme1 default1 guest123 test1234 testtest temp1234 eduhub123 eduhub2026 computer internet dragon123
    monkey123 master123 zhongguo zhongguo1 beijing2008 lhasa123 tibet123 qinghai1 michael1 jennifer hello123
    """.split()
)


def check(password: str, *, of: str = "") -> str:
    """The password in the form that is hashed; raises PasswordTooWeak. `of`: the sign-in name it belongs to."""
    tidy = unicodedata.normalize("NFC", password)
    plain = tidy.casefold()
    too_plain = len(set(plain)) < 3 or plain in _COMMON or _is_a_run(plain) or bool(of and plain.strip("0123456789") == of)
    if not LEAST_LETTERS <= len(tidy) <= MOST_LETTERS or too_plain or plain == of or "\x00" in plain:
        raise PasswordTooWeak
    return tidy


def _is_a_run(text: str) -> bool:
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({1}, {-1})


def new_word(pairs: int = 3) -> str:
    """A word that can be told over a telephone, as 'kalo-temi-buna-47': 44 random bits, and 12.6 more for each pair of
    syllables above three.
    """
    syllables = ["".join(secrets.choice(letters) for letters in _SYLLABLE) for _ in range(2 * pairs)]
    return "-".join([*("".join(syllables[2 * at : 2 * at + 2]) for at in range(pairs)), f"{secrets.randbelow(90) + 10}"])


def make_verifier(password: str) -> str:
    """What is kept of a password that `check` has passed."""
    return _hasher.hash(password)


def fits(verifier: str | None, password: str) -> bool:
    """Whether the password made this verifier. With None it is not, and that takes as long to say."""
    tidy = unicodedata.normalize("NFC", password)[: MOST_LETTERS + 1]
    try:
        return _hasher.verify(verifier or _NOBODY, tidy.encode("utf-8", "replace"))
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(verifier: str) -> bool:
    """Whether it was made with other costs than today's."""
    return _hasher.check_needs_rehash(verifier)
