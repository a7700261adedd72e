"""The judges of test_pages_in_a_browser.py do find what keeps somebody out of a page."""

import pytest
from playwright.sync_api import Browser

from tests.web import accessible

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html lang="en"><title>A page</title><main><h1>A page</h1>
<p style="color: #ccc; background: #fff">Hardly to be read</p><input id="unnamed">
<label>Named <input id="named"></label><div inert><button id="inert">Nobody gets here</button></div>
<label><input type="radio" name="way" value="1"> one</label><label><input type="radio" name="way" value="2"> two</label>
<a href="#end">The end</a></main></html>"""


def test_pale_text_a_field_without_a_name_and_a_button_out_of_reach_are_found(chromium: Browser) -> None:
    page = chromium.new_page()
    page.set_content(PAGE)
    found = accessible.serious(page)
    assert any("color-contrast" in each and "Hardly to be read" in each for each in found)
    assert any("label" in each and "unnamed" in each for each in found)
    assert [each for each in accessible.out_of_reach(page) if 'id="inert"' in each]
    assert len(accessible.out_of_reach(page)) == 1
    page.close()


def test_a_good_page_is_not_blamed(chromium: Browser) -> None:
    page = chromium.new_page()
    page.set_content('<!doctype html><html lang="en"><title>A page</title><main><h1>A page</h1><a href="#end">The end</a></main></html>')
    assert accessible.serious(page) == []
    assert accessible.out_of_reach(page) == []
    page.close()
