"""Lists of names stand in the order of the page's language."""

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser

from eduhub.accounts import people
from eduhub.installation import Installation
from eduhub.schools import enrolment
from eduhub.web import order
from tests.in_a_thread import served
from tests.web.test_pages_in_a_browser import sign_in
from tests.web.world import BEGAN, World

SORTED = {
    "bo": ["ཀ་དག", "རྐ་མ", "སྐྱེ་ལྷ", "ཁ་བ", "ག་ཕྲུག", "འགྲོ་བ", "བརྒྱད་པ"],  # as a dictionary has them
    "zh": ["阿旺", "次仁", "丁真", "扎西"],  # a, ci, ding, zha
    "en": ["Ane", "Bema", "Zla"],
}


@pytest.fixture
def origin(app: Flask) -> Iterator[str]:
    """The hub's pages at an address."""
    with served(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.browser
@pytest.mark.parametrize("language", list(SORTED))
def test_names_stand_in_the_order_of_the_pages_language(
    chromium: Browser, origin: str, world: World, installation: Installation, language: str
) -> None:
    wanted = SORTED[language]
    with installation.database.write() as session:
        for name in reversed(wanted):
            child = people.add(session, org_uid=world.school, name=name)
            enrolment.enrol(session, person_uid=child.uid, group_uid=world.group, starts_on=BEGAN)
    context = chromium.new_context()
    context.add_cookies([{"name": "eduhub_language", "value": language, "url": origin}])
    page = context.new_page()
    sign_in(page, origin, "pema", world)
    page.goto(f"{origin}/groups/{world.group}")
    shown = page.eval_on_selector_all(".list .what", "found => found.map(one => one.textContent.trim())")
    context.close()
    assert [name for name in shown if name in wanted] == wanted


def test_tibetan_stands_as_in_a_dictionary() -> None:
    wanted = (
        "ཀ ཀ་བ ཀར ཀི ཀུ ཀེ ཀོ ཀྱ ཀྲ ཀླ དཀར དཀྱིལ བཀའ བཀྲ་ཤིས རྐ ལྐུགས སྐད སྐྱེ བརྐུས བསྐྱེད ཁ མཁས འཁོར ག གངས དགའ མགོ འགྲོ རྒྱ བརྒྱད"
        " ཉི་མ རྡོ་རྗེ པདྨ དཔེ་ཆ ཚངས ཚེ་རིང མཚོ ཟླ་བ གཟའ ཡིག སློབ་གྲྭ སློབ་མའི ལྷ་མོ"
    ).split()  # the order of ICU for 'bo'
    assert sorted(set(wanted), key=order.tibetan) == wanted
    assert sorted(["Dolma", "ཨ་མ", "扎西", "ཀ"], key=order.tibetan) == ["ཀ", "ཨ་མ", "Dolma", "扎西"]
