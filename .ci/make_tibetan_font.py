"""Make eduhub/web/static/fonts/: Noto Serif Tibetan with only the glyphs that Tibetan as it is taught needs.

    npm pack @fontsource/noto-serif-tibetan@5.3.0 && tar xzf fontsource-noto-serif-tibetan-5.3.0.tgz
    pip install fonttools==4.68.0 uharfbuzz==0.57.0 brotli==1.2.1      # beside what EduHub needs
    python .ci/make_tibetan_font.py package

A subset by characters keeps every stack that the font can form (134 kB). This one shapes each stack that written Tibetan
has, and keeps the glyphs that stood in the line after any step of it: the last step alone is not enough, for what is
replaced in the end must be there to be replaced. The rules that join letters are written shorter, and do the same
(`gathered`). With `--compare` it prints what the two fonts shape differently.
"""

import json
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import uharfbuzz as hb
from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables import otTables

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from eduhub.web.languages import NAMES  # noqa: E402 - the path is set above

FOLDER = ROOT / "eduhub" / "web" / "static" / "fonts"
SHAPES = ROOT / "tests" / "web" / "tibetan_shapes.json"  # of the whole font, for the test in a browser
STYLE = ROOT / "eduhub" / "web" / "styles" / "eduhub.css"
NAME = "tibetan.woff2"
SWITCH = "switch.woff2"  # the one Tibetan word on every page, so that a Chinese page does not fetch the whole subset
MEMBER = "files/noto-serif-tibetan-tibetan-400-normal.woff2"

LETTERS = "ཀཁགངཅཆཇཉཏཐདནཔཕབམཙཚཛཝཞཟའཡརལཤསཧཨ"
# What stands on a letter, what hangs below it, and which letters take it.
HEADS = {"ར": "ཀགངཇཉཏདནབམཙཛ", "ལ": "ཀགངཅཇཏདཔབཧ", "ས": "ཀགངཉཏདནཔབམཙ"}
FEET = {"ྱ": "ཀཁགཔཕབམཧ", "ྲ": "ཀཁགཏཐདནཔཕབམཤསཧ", "ླ": "ཀགབཟརས", "ྭ": "ཀཁགཅཉཏདཙཚཞཟརལཤཧ"}
HEADS_AND_FEET = ("རྐྱ", "རྒྱ", "རྨྱ", "རྩྭ", "རྒྭ", "སྐྱ", "སྒྱ", "སྤྱ", "སྦྱ", "སྨྱ", "སྐྲ", "སྒྲ", "སྣྲ", "སྤྲ", "སྦྲ", "སྨྲ", "གྲྭ", "ཕྱྭ")
CHINESE = ("ཧྥ",)  # f
# The letters and stacks of the Sanskrit words that schoolbooks have.
SANSKRIT = ("ཊ", "ཋ", "ཌ", "ཎ", "ཥ", "གྷ", "དྷ", "བྷ", "ཀྵ", "ཛྲ", "དྨ", "ཎྜ", "ཥྚ", "ནྟ", "ནྡ", "ཏྟ", "ལྨ", "ཤྲ")
# No sign, i, u, e, o, ai, au, reversed i, long a; the dots of m and h above them come in WORDS.
SIGNS = ("", "ི", "ུ", "ེ", "ོ", "ཻ", "ཽ", "ྀ", "ཱ")
SANSKRIT_SIGNS = ("", "ི", "ཱ")
MARKS = "་༌།༎༑༈༄༅༔༼༽༺༻༹༷༵༓༴༶྾྿ཿ༠༡༢༣༤༥༦༧༨༩༚༛༜༝༞༟"
WORDS = ("ཨོཾ་མ་ཎི་པདྨེ་ཧཱུྃ", "ཧཱུཾ", "ཧྲཱིཿ", "བཛྲ", "པཎྜི་ཏ", "སྭ་སྟི", "དཱིཔཾ", "ཨཱཿ", "༄༅། །", "༼ཀ༽", "ཀ༷", "ཀ༵", "ཀ༹", "༡༢༣༤༥༦༧༨༩༠")


def stacks() -> list[str]:
    """Every stack of written Tibetan, each once."""
    found = [*LETTERS]
    found += [f"{head}{below(letter)}" for head, letters in HEADS.items() for letter in letters]
    found += [f"{letter}{foot}" for foot, letters in FEET.items() for letter in letters]
    return list(dict.fromkeys((*found, *HEADS_AND_FEET)))


def below(letter: str) -> str:
    """The form of a letter that hangs below another."""
    return chr(ord(letter) + 0x50)


def strings() -> Iterator[str]:
    """Everything that the subset must shape as the whole font does."""
    yield from (f"{stack}{sign}" for stack in (*stacks(), *CHINESE) for sign in SIGNS)
    yield from (f"{stack}{sign}" for stack in SANSKRIT for sign in SANSKRIT_SIGNS)
    yield from (f"{stack}འི" for stack in LETTERS)
    yield from MARKS
    yield from WORDS


def glyphs_at_every_step(font: hb.Font, text: str) -> set[int]:
    """The glyphs that stand in the line after any step of shaping `text`."""
    seen: set[int] = set()
    buffer = _buffer(text)
    are_glyphs = False  # before the tables are applied there are characters in the line

    def look(message: str) -> bool:
        nonlocal are_glyphs
        are_glyphs = are_glyphs or message.startswith("start table GSUB")
        if are_glyphs:
            seen.update(info.codepoint for info in buffer.glyph_infos)
        return True

    buffer.set_message_func(look)
    hb.shape(font, buffer)
    return seen | {info.codepoint for info in buffer.glyph_infos}


def shaped(font: hb.Font, text: str) -> list[tuple[str, int, int, int, int, int]]:
    """How `text` looks: the outlines, and where each stands."""
    buffer = _buffer(text)
    hb.shape(font, buffer)
    return [
        (_outline(font, info.codepoint), info.cluster, place.x_advance, place.y_advance, place.x_offset, place.y_offset)
        for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True)
    ]


def box(font: hb.Font, text: str) -> list[int]:
    """Width, top and bottom of `text`, in units of the font."""
    buffer = _buffer(text)
    hb.shape(font, buffer)
    placed = list(zip(buffer.glyph_infos, buffer.glyph_positions, strict=True))
    tops, bottoms = [], []
    for info, place in placed:
        ink = font.get_glyph_extents(info.codepoint)
        if ink is not None and ink.height:
            tops.append(place.y_offset + ink.y_bearing)
            bottoms.append(place.y_offset + ink.y_bearing + ink.height)
    return [sum(place.x_advance for _info, place in placed), max(tops, default=0), min(bottoms, default=0)]


def opened(path: Path) -> hb.Font:
    """A font for shaping."""
    font, plain = TTFont(path), BytesIO()
    font.flavor = None
    font.save(plain)
    return hb.Font(hb.Face(plain.getvalue()))


def cut(source: Path, target: Path, texts: list[str], dropped: tuple[str, ...]) -> int:
    """Write the subset for these texts, without the tables `dropped`; returns how many glyphs it has."""
    shaper = opened(source)
    wanted = set().union(*(glyphs_at_every_step(shaper, text) for text in texts))
    font = TTFont(source, recalcTimestamp=False)  # the same bytes again, whenever it is run
    gathered(font)
    options = Options(
        layout_closure=False, layout_features=["*"], hinting=False, notdef_outline=True, name_IDs=[0, 13, 14],
        drop_tables=[*Options().drop_tables, *dropped],
    )  # fmt: skip
    subsetter = Subsetter(options)
    subsetter.populate(gids=sorted(wanted), unicodes=sorted({ord(letter) for text in texts for letter in text}))
    subsetter.subset(font)
    font.flavor = "woff2"
    font.save(target)
    return len(font.getGlyphOrder())


def gathered(font: TTFont) -> None:
    """Write a thousand rules 'where exactly these letters meet, look at the list that joins them' as five.

    The font has a rule and a list of one entry for each stack. One rule for all those letters, and one list of all those
    entries, join the same: a list joins only what it names.
    """
    lookups = font["GSUB"].table.LookupList.Lookup
    for lookup in [lookup for lookup in lookups if isinstance(lookup.SubTable[0], otTables.ChainContextSubst)]:
        rules = [rule for rule in lookup.SubTable if _joins_what_it_names(rule, lookups)]
        if not rules:
            continue
        # Nothing stands behind them that the wider rule could hide, and they differ in their letters alone.
        assert lookup.SubTable[-len(rules) :] == rules
        lists = [lookups[rule.SubstLookupRecord[0].LookupListIndex] for rule in rules]
        assert len({(one.LookupFlag, getattr(one, "MarkFilteringSet", None)) for one in lists}) == 1
        assert len({len(rule.InputCoverage) for rule in rules}) == 1
        entries: dict[str, list[otTables.Ligature]] = {}
        for one in lists:
            for first, joined in one.SubTable[0].ligatures.items():
                entries.setdefault(first, []).extend(joined)
        lists[0].SubTable[0].ligatures = entries
        for place, coverage in enumerate(rules[0].InputCoverage):
            met = {rule.InputCoverage[place].glyphs[0] for rule in rules}
            coverage.glyphs = sorted(met, key=font.getGlyphID)
        lookup.SubTable = lookup.SubTable[: 1 - len(rules) or None]


def _joins_what_it_names(rule: otTables.ChainContextSubst, lookups: list[otTables.Lookup]) -> bool:
    """Whether a rule is for one sequence of letters, wherever it stands, and its list joins exactly those."""
    if rule.Format != 3 or rule.BacktrackCoverage or rule.LookAheadCoverage or len(rule.SubstLookupRecord) != 1:
        return False
    letters = [coverage.glyphs for coverage in rule.InputCoverage]
    act = rule.SubstLookupRecord[0]
    wanted = lookups[act.LookupListIndex].SubTable
    if act.SequenceIndex or len(wanted) != 1 or not isinstance(wanted[0], otTables.LigatureSubst):
        return False
    entries = [[first, *entry.Component] for first, joined in wanted[0].ligatures.items() for entry in joined]
    return len(entries) == 1 and [[letter] for letter in entries[0]] == letters


def differences(whole: Path, part: Path, texts: list[str]) -> list[str]:
    """Those of `texts` that the two fonts do not shape alike."""
    one, other = opened(whole), opened(part)
    return [text for text in texts if shaped(one, text) != shaped(other, text)]


def _outline(font: hb.Font, glyph: int) -> str:
    pen = SVGPathPen(None)
    font.draw_glyph_with_pen(glyph, pen)
    return str(pen.getCommands())


def _buffer(text: str) -> hb.Buffer:
    buffer = hb.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    return buffer


def main(package: Path, *, compare: bool) -> None:
    """Cut the fonts, put the licence beside them and their hashes into the style sheet; or compare what is there."""
    # The word of the switch stacks nothing: it needs no rules but where its signs stand.
    wanted = {NAME: (list(strings()), ("STAT",)), SWITCH: ([NAMES["bo"]], ("STAT", "GSUB", "name"))}
    if compare:
        sys.exit(str([differences(package / MEMBER, FOLDER / name, texts) for name, (texts, _) in wanted.items()]))
    FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(package / "LICENSE", FOLDER / "OFL.txt")
    style = STYLE.read_text(encoding="utf-8")
    for name, (texts, dropped) in wanted.items():
        count = cut(package / MEMBER, FOLDER / name, texts, dropped)
        payload = (FOLDER / name).read_bytes()
        style = re.sub(rf"{name}\?v=[0-9a-f]+", f"{name}?v={sha256(payload).hexdigest()[:12]}", style)
        sys.stdout.write(f"{name}: {count} glyphs, {len(payload)} bytes\n")
    STYLE.write_text(style, encoding="utf-8")
    whole = opened(package / MEMBER)
    # A sign that stands on nothing is drawn by each browser as it likes.
    boxes = {text: box(whole, text) for text in strings() if not unicodedata.category(text[0]).startswith("M")}
    rows = ",\n".join(f"{json.dumps(text, ensure_ascii=False)}: {found}" for text, found in boxes.items())
    SHAPES.write_text(f"{{{rows}}}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), compare="--compare" in sys.argv)
