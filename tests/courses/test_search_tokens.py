"""How a text becomes words, and what a reader's words find in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eduhub.courses.search.tokens import MOST_TERMS, Term, marked, terms_of, tokens_of


def words(text: str) -> list[str]:
    return [token.text for token in tokens_of(text)]


def finds(query: str, text: str) -> bool:
    """Whether all that is asked for stands in a text: by reading, without an index."""
    terms, tokens = terms_of(query), tokens_of(text)
    return bool(terms) and all(any(term.fits(tokens, at) for at in range(len(tokens))) for term in terms)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("སློབ", "སློབ་གྲྭ་ཆེན་མོ།"), ("སློབ་གྲྭ", "ང་ཚོའི་སློབ་གྲྭ།"), ("གྲངས་རིག", "ལོ་རིམ་གསུམ་པའི་གྲངས་རིག"), ("སློབ་མ", "སློབ་མའི་དེབ།"),
        ("སློབ་མའི", "སློབ་མ་ཚང་མ།"), ("ཆུ", "ཆུའང་།"), ("༣", "3"), ("3", "སློབ་ཚན་༣"), ("བོད༌ཡིག", "བོད་ཡིག"), ("ཀཱུ", "ཀཱུ"),
        ("数学", "三年级数学上册"), ("小学", "双湖小学"), ("班", "二年级1班"), ("学", "数学"), ("浮起来", "冰为什么浮起来"), ("第3课", "第3课 水"),
        ("3课", "第3课文"), ("一班", "第一班3组"), ("ＡＢＣ", "abc"), ("冰 水", "水为什么结成冰"), ("数学、语文", "语文和数学"),
        ("ICE", "Why ice floats"), ("float", "Why ice floats"), ("olberg", "Ölberg"), ("Ölberg", "the olberg"), ("water-cycle", "cycle of water"),
        ("12", "12 apples"), ("مەكتەپ", "مەكتەپ"),
    ],
)  # fmt: skip
def test_words_find_what_a_person_means(query: str, text: str) -> None:
    assert finds(query, text)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("སིབ", "སློབ་གྲྭ"), ("སློབ", "སློ་བ"), ("ཡིག་བོད", "བོད་ཡིག"), ("མ", "མི"), ("学数", "数学"), ("数学", "数和学"), ("小学", "小的学校"),
        ("ice", "mice"), ("ic", "ice"), ("1", "12"), ("!?", "!?"), ("", "x"),
    ],
)  # fmt: skip
def test_words_do_not_find_what_only_looks_alike(query: str, text: str) -> None:
    assert not finds(query, text)


def test_a_query_has_an_end() -> None:
    assert len(terms_of(" ".join(f"word{number}" for number in range(500)))) == MOST_TERMS
    assert terms_of("water water  WATER") == (Term(("water",), is_prefix=True),)


@pytest.mark.parametrize(
    ("query", "text", "wanted"),
    [
        ("什么 冰", "冰为什么浮起来", ["冰", "什么"]), ("数", "数学课", ["数"]), ("浮起来", "冰为什么浮起来。", ["浮起来"]),
        ("སློབ་མ", "དེ་རིང་སློབ་མའི་བོད་ཡིག", ["སློབ་མའི"]), ("float", "It floats. Float!", ["floats", "Float"]), ("cafe", "cafe\u0301", ["cafe\u0301"]),
    ],
)  # fmt: skip
def test_what_was_looked_for_can_be_shown(query: str, text: str, wanted: list[str]) -> None:
    assert [text[start:end] for start, end in marked(text, terms_of(query))] == wanted


@given(st.text(max_size=80))
def test_any_text_has_words_in_order_within_it(text: str) -> None:
    tokens = tokens_of(text)
    assert all(token.text and 0 <= token.start < token.end <= len(text) for token in tokens)
    assert [token.start for token in tokens] == sorted(token.start for token in tokens)
    assert not any(letter.isspace() or letter in "\"'\\\0" for token in tokens for letter in token.text)


@given(st.text(alphabet="水冰学数 abcé12སློབ་གྲྭའི་།", min_size=1, max_size=20))
def test_a_text_is_found_by_itself(text: str) -> None:
    assert finds(text, text) == bool(tokens_of(text))
