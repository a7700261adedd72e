"""What the demo's lectures show and say. Only data.

Each slide has a title and lines; a line appears when the voice begins to speak it. `spoken`
is what is said, in the lecture's language.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One line of a slide."""

    shown: str
    spoken: str


@dataclass(frozen=True)
class Slide:
    """A title (spoken too) and the lines under it."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Lecture:
    """One lecture, as a teacher would record it from slides."""

    key: str  # names the file
    language: str  # of the voice: zh or en
    titles: dict[str, str]
    texts: dict[str, str]
    slides: tuple[Slide, ...]


WATER = Lecture(
    key="water-cycle",
    language="zh",
    titles={"zh": "水的循环", "en": "The water cycle", "bo": "ཆུའི་འཁོར་རྒྱུན།"},
    texts={"zh": "高原上的水从哪里来，又到哪里去。", "en": "Where the water of the plateau comes from and where it goes."},
    slides=(
        Slide(
            "水的循环",
            (
                Line("水从哪里来？", "高原上的水从哪里来？"),
                Line("水到哪里去？", "流走的水又到哪里去？今天我们一起来看。"),
            ),
        ),
        Slide(
            "一、蒸发",
            (
                Line("太阳晒热湖面", "太阳把湖面晒热。"),
                Line("水变成水汽", "一部分水变成看不见的水汽，升到空中。这叫蒸发。"),
            ),
        ),
        Slide(
            "二、凝结",
            (
                Line("高处很冷", "高处很冷，水汽遇冷，变成小水滴。"),
                Line("小水滴聚成云", "许多小水滴聚在一起，就是云。这叫凝结。"),
            ),
        ),
        Slide(
            "三、降水",
            (
                Line("雨、雪、冰雹", "云里的水滴变大变重，落下来就是雨、雪或者冰雹。"),
                Line("冰川、河流、湖", "雪积成冰川，冰川融化，流进河里，又回到湖中。"),
            ),
        ),
        Slide(
            "想一想",
            (
                Line("冬天的湖面结冰了，", "请你想一想：冬天湖面结了冰，"),
                Line("水还会蒸发吗？", "水还会不会蒸发？和同学说说你的理由。"),
            ),
        ),
    ),
)

ICE = Lecture(
    key="why-ice-floats",
    language="en",
    titles={"en": "Why ice floats", "zh": "冰为什么浮在水上", "bo": "འཁྱགས་པ་ཆུའི་ཁར་གཡེང་བའི་རྒྱུ་མཚན།"},
    texts={"en": "Weigh it, measure it, and see why a lake freezes from the top.", "zh": "称一称，量一量，看看湖为什么从上面结冰。"},
    slides=(
        Slide(
            "Why ice floats",
            (
                Line("A lake freezes from the top.", "In winter a lake freezes from the top, not from the bottom."),
                Line("Why?", "Today we find out why."),
            ),
        ),
        Slide(
            "Density",
            (
                Line("density = mass ÷ volume", "Density is mass divided by volume."),
                Line("A thing floats if its density is smaller.", "A thing floats when its density is smaller than that of water."),
            ),
        ),
        Slide(
            "Let us measure",
            (
                Line("100 g of water: 100 cm³", "One hundred grams of water fill one hundred cubic centimetres."),
                Line("100 g of ice: 109 cm³", "The same one hundred grams, frozen, fill one hundred and nine."),
                Line("100 ÷ 109 = 0.92 g/cm³", "So the density of ice is zero point nine two."),
            ),
        ),
        Slide(
            "What follows",
            (
                Line("0.92 < 1: ice floats", "That is less than one, so ice floats."),
                Line("Under the ice the fish live on.", "The ice keeps the water below it warm, and the fish live on."),
            ),
        ),
        Slide(
            "Try it",
            (
                Line("Mark the water in a bottle.", "Try it tonight. Mark the height of the water in a bottle,"),
                Line("Leave it outside. Look again.", "leave it outside, and look again in the morning."),
            ),
        ),
    ),
)

CLEAN_WATER = Lecture(
    key="clean-water",
    language="zh",
    titles={"zh": "喝干净的水", "en": "Clean water to drink", "bo": "ཆུ་གཙང་འཐུང་བ།"},
    texts={"zh": "三步得到干净的水。", "en": "Three steps to clean water."},
    slides=(
        Slide(
            "喝干净的水",
            (
                Line("1. 静置", "第一步，让水静置，泥沙沉到底下。"),
                Line("2. 过滤", "第二步，用干净的布过滤。"),
                Line("3. 烧开", "第三步，把水烧开。高原上水八十几度就沸腾，所以要多煮五分钟。"),
            ),
        ),
        Slide(
            "记住",
            (
                Line("烧开的水放进有盖的壶", "烧开的水放进有盖的壶里。"),
                Line("喝水前先洗手", "喝水以前，先把手洗干净。"),
            ),
        ),
    ),
)

LECTURES = (WATER, ICE, CLEAN_WATER)


def every_glyph() -> str:
    """All characters that are drawn, each once: what the font beside this file must have."""
    shown = "".join(
        text for lecture in LECTURES for slide in lecture.slides for text in (slide.title, *(line.shown for line in slide.lines))
    )
    printable_ascii = "".join(map(chr, range(0x20, 0x7F)))
    return "".join(sorted(set(shown + printable_ascii)))
