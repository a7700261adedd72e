"""What the pages that send files load: little at first, and what makes a light copy only when one is made."""

import gzip
from pathlib import Path

BUILT = Path(__file__).parents[2] / "eduhub" / "web" / "static" / "built"
UPLOADER_MOST = 60_000  # bytes gzipped
LIGHT_COPY_MOST = 180_000


def test_the_uploader_is_light_and_does_not_carry_what_makes_light_copies(built_pages: None) -> None:
    uploader, light_copy = (BUILT / "uploader.js").read_bytes(), (BUILT / "light-copy.js").read_bytes()
    assert len(gzip.compress(uploader, 9)) <= UPLOADER_MOST
    assert len(gzip.compress(light_copy, 9)) <= LIGHT_COPY_MOST
    assert b"VideoEncoder" in light_copy
    assert b"new VideoEncoder" not in uploader
    assert b"Matroska" not in uploader
