"""What people at a hub do until a lesson is there for a class: each step leaves pictures of its pages."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.flows.machines import Machine
from tests.flows.people import Person


def school_is_set_up(hub: Machine, browser: Browser, pictures: Path, **how: Any) -> str:
    """The operator makes the school and its admin; the admin a teacher, a class and a child. Returns the card's code."""
    tenzin = Person(browser, pictures, hub.origin, **how)
    tenzin.goes_to("/sign-in")
    tenzin.takes_picture("hub-sign-in")
    tenzin.signs_in("tenzin", "snow-lion-73")
    tenzin.goes_to("/operator/organisations/new")
    tenzin.fills(kind="School", name="Shuanghu", language="English", parent_uid="Nagqu")
    tenzin.takes_picture("operator-new-school")
    tenzin.presses("Make it")
    school = tenzin.page.url
    tenzin.page.goto(f"{school}/adults/new")
    tenzin.fills(name="Pema", role="School admin", sign_in_name="pema", password="blue-sheep-41")
    tenzin.presses("Add")
    tenzin.leaves()

    pema = Person(browser, pictures, hub.origin, **how)
    pema.signs_in("pema", "blue-sheep-41")
    path = school.removeprefix(hub.origin)
    pema.goes_to(f"{path}/adults/new")
    pema.fills(name="Tashi", role="Teacher", sign_in_name="tashi", password="river-stone-58")
    pema.presses("Add")
    pema.goes_to(f"{path}/groups/new")
    pema.fills(stage="primary school", intake_year="2024", class_number="2")
    pema.takes_picture("school-new-class")
    pema.page.locator("main button.primary").click()
    pema.sees("class 2")
    pema.follows("Add a child")
    pema.fills(name="Dolma")
    pema.presses("Add and make the card")
    pema.takes_picture("school-card")
    code = pema.page.locator(".card .code").inner_text()
    pema.goes_to(path)
    pema.takes_picture("school-home")
    pema.leaves()
    return code


def lesson_is_published(hub: Machine, browser: Browser, pictures: Path, clip: Path) -> str:
    """The teacher makes a course and a lesson, sends the file and publishes. Returns the lesson's path for children."""
    tashi = Person(browser, pictures, hub.origin)
    tashi.signs_in("tashi", "river-stone-58")
    tashi.takes_picture("teacher-home")
    tashi.goes_to("/teaching/courses/new")
    tashi.fills(title="Physics", language="English")
    tashi.page.locator("main button.primary").click()
    tashi.page.get_by_role("link", name="Add a lesson").first.click()
    tashi.fills(title="Ships that float", language="English")
    tashi.page.locator("main button.primary").click()
    tashi.sees("Choose the file")
    tashi.takes_picture("teacher-lesson-empty")
    tashi.page.set_input_files("input[type=file]", clip)
    tashi.page.get_by_role("button", name="Publish this lesson").wait_for()  # sent by itself, and here
    tashi.takes_picture("teacher-lesson-preparing")
    tashi.presses("Publish this lesson")
    see = tashi.page.get_by_role("link", name="See it as a child does")
    see.wait_for(timeout=150_000)  # the page asks again by itself while the video is prepared
    tashi.takes_picture("teacher-lesson-published")
    path = tashi.page.url.removeprefix(f"{hub.origin}/teaching")
    tashi.leaves()
    return path


def course_is_taken(hub: Machine, browser: Browser, pictures: Path, **how: Any) -> None:
    """The school's admin lets the class take the course."""
    pema = Person(browser, pictures, hub.origin, **how)
    pema.signs_in("pema", "blue-sheep-41")
    pema.page.get_by_role("link", name="class 2").first.click()
    pema.fills(course_uid="Physics")
    pema.presses("Take this course")
    pema.takes_picture("school-class")
    pema.leaves()
