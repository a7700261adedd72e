"""Make eduhub/ops/demo/font/: Noto Sans SC with only the characters that the demo lectures draw.

    npm pack @fontsource/noto-sans-sc && tar xzf fontsource-noto-sans-sc-*.tgz
    pip install fonttools brotli
    python .ci/make_demo_font.py package

Run it again when eduhub/ops/demo/lectures.py draws new characters; a test says so.
"""

import shutil
import sys
from pathlib import Path

from fontTools.merge import Merger
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from eduhub.ops.demo.lectures import every_glyph  # noqa: E402 - the path is set above

MEMBERS = ("noto-sans-sc-latin-400-normal.woff2", "noto-sans-sc-chinese-simplified-400-normal.woff2")


def cut(source: Path, wanted: set[str], target: Path) -> set[str]:
    """Write the part of `source` that draws characters of `wanted`; returns which it has."""
    font = TTFont(source)
    has = {character for character in wanted if ord(character) in font.getBestCmap()}
    options = Options(layout_features=[], hinting=False, name_IDs=["*"], notdef_outline=True)
    subsetter = Subsetter(options)
    subsetter.populate(text="".join(has))
    subsetter.subset(font)
    font.flavor = None
    font.save(target)
    return has


def main(package: Path) -> None:
    """Cut both members, join them, and put the licence beside the result."""
    folder = ROOT / "eduhub" / "ops" / "demo" / "font"
    folder.mkdir(parents=True, exist_ok=True)
    wanted, parts = set(every_glyph()), []
    for number, name in enumerate(MEMBERS):
        part = folder / f"part{number}.ttf"
        wanted -= cut(package / "files" / name, wanted, part)
        parts.append(part)
    if wanted:
        sys.exit(f"the font has no glyph for {''.join(sorted(wanted))!r}")
    Merger().merge([str(part) for part in parts]).save(folder / "demo.ttf")
    for part in parts:
        part.unlink()
    shutil.copyfile(package / "LICENSE", folder / "OFL.txt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
