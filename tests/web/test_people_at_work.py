"""An admin enrols, a teacher adds a lesson, an operator makes schools: the way there, and what happens to what was typed."""

import io
import re
from collections.abc import Callable

from sqlalchemy import select

from eduhub.accounts.models import AuditEntry, Person
from eduhub.courses.models import Lesson, LessonSource
from eduhub.installation import Installation
from eduhub.media.models import Source
from eduhub.schools.models import Enrolment, Organisation
from tests.web.world import PASSWORD, Reader, World, hidden

Browser = Callable[[], Reader]


def test_an_admin_adds_a_child_whose_card_signs_in(browser: Browser, world: World) -> None:
    pema = browser().sign_in("pema")
    path = f"/schools/{world.school}/children/new"
    card = pema.post(path, {"name": "Sonam", "group_uid": world.group}, page=path)
    assert card.status_code == 200
    assert card.headers["Cache-Control"] == "no-store"
    code = re.search(r'class="code">([^<]+)<', card.text)
    assert code
    assert "<svg" in card.text
    sonam = browser().card(code[1])
    assert "Why ice floats" in sonam.get("/").text
    assert "Sonam" in pema.get(f"/groups/{world.group}").text


def test_a_new_card_makes_the_old_one_useless(browser: Browser, world: World) -> None:
    old = browser().card(world.dolma_card)
    pema = browser().sign_in("pema")
    path = f"/people/{world.dolma}"
    assert pema.post(f"{path}/card", {"replaces": hidden(pema.get(path).text, "replaces")}, page=path).status_code == 200
    assert old.get(f"/lessons/{world.lesson}").status_code == 401
    refused = browser().post("/card", {"token": world.dolma_card}, page="/card")
    assert refused.status_code == 400
    assert "This card is not known here." in refused.text


def test_an_admin_takes_a_child_out_with_a_reason(browser: Browser, world: World, installation: Installation) -> None:
    pema = browser().sign_in("pema")
    link = re.search(r"/enrolments/[0-9a-f-]+/withdraw", pema.get(f"/people/{world.dolma}").text)
    assert link
    on = re.search(r'name="on"[^>]*value="([0-9-]+)"', pema.get(link[0]).text)
    assert on
    done = pema.post(link[0], {"reason": "transferred", "on": on[1]}, page=link[0])
    assert done.status_code == 303
    with installation.database.read() as session:
        span = session.scalars(select(Enrolment).where(Enrolment.person_uid == world.dolma)).one()
        assert (span.ended_on, span.end_reason) == (on[1], "transferred")
    assert "Why ice floats" not in browser().card(world.dolma_card).get("/").text
    assert "1 child without a class" in pema.get(f"/schools/{world.school}").text


def test_a_weak_password_is_refused_and_the_names_stay_typed(browser: Browser, world: World, installation: Installation) -> None:
    pema = browser().sign_in("pema")
    path = f"/schools/{world.school}/adults/new"
    typed = {"name": "Yangchen", "role": "teacher", "sign_in_name": "yangchen", "password": "12345678"}
    refused = pema.post(path, typed, page=path)
    assert refused.status_code == 400
    assert 'value="Yangchen"' in refused.text
    assert 'value="yangchen"' in refused.text
    assert "12345678" not in refused.text
    assert "too easy to guess" in refused.text
    with installation.database.read() as session:
        assert session.scalars(select(Person).where(Person.name == "Yangchen")).all() == []
    assert pema.post(path, typed | {"password": PASSWORD}, page=path).status_code == 303
    assert browser().sign_in("yangchen").get("/").status_code == 303


def test_the_audit_list_names_who_issued_a_card(browser: Browser, world: World, installation: Installation) -> None:
    pema = browser().sign_in("pema")
    path = f"/people/{world.dolma}"
    pema.post(f"{path}/card", {"replaces": hidden(pema.get(path).text, "replaces")}, page=path)
    with installation.database.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "accounts.issue_card")).one()
        by = session.get(Person, entry.by_uid)
        assert by is not None
        assert (by.name, entry.subject_uid) == ("Pema", world.dolma)


def test_a_teacher_adds_a_lesson_and_is_told_the_limits_before_choosing(browser: Browser, world: World) -> None:
    tashi = browser().sign_in("tashi")
    path = f"/teaching/courses/{world.course}/lessons/new"
    done = tashi.post(path, {"title": "Rain", "language": "bo", "unit_uid": ""}, page=path)
    assert done.status_code == 303
    page = tashi.get(done.headers["Location"]).text
    assert "at most 4096 MB" in page
    assert 'enctype="multipart/form-data"' in page
    assert page.index("at most") < page.index('type="file"')


def test_a_sent_file_is_shown_as_being_prepared_and_can_be_published_in_advance(
    browser: Browser, world: World, installation: Installation
) -> None:
    tashi = browser().sign_in("tashi")
    path = f"/teaching/courses/{world.course}/lessons/new"
    lesson = tashi.post(path, {"title": "Rain", "language": "en", "unit_uid": ""}, page=path).headers["Location"]
    intent = re.search(r'name="intent" value="([^"]+)"', tashi.get(lesson).text)
    assert intent
    tashi.post("/sign-out", page="/teaching")  # the intent is the credential: signing out does not end an upload
    sent = tashi.client.post(
        "/media/uploads", data={"intent": intent[1], "file": (io.BytesIO(b"\0" * 5000), "rain.mp4")},
        content_type="multipart/form-data", headers={"Accept": "text/html"},
    )
    assert sent.status_code == 303
    assert sent.headers["Location"] == lesson
    tashi.sign_in("tashi")
    page = tashi.get(lesson).text
    assert "The video is being prepared: 0 %" in page
    assert '<meta http-equiv="refresh"' in page
    assert tashi.post(f"{lesson}/publish", page=lesson).status_code == 303
    assert "then published" in tashi.get(lesson).text
    uid = lesson.rsplit("/", 1)[1]
    with installation.database.read() as session:
        found = session.get(Lesson, uid)
        assert found is not None
        assert found.state == "submitted"


def test_a_refused_file_is_named_with_its_reason_and_another_can_be_chosen(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        source_uid = "01a20986-0000-7000-8000-000000000001"
        session.add(LessonSource(org_uid=world.school, lesson_uid=world.draft, source_uid=source_uid, purpose="master", language="en"))
        session.add(
            Source(
                uid=source_uid, org_uid=world.school, file_name="a.mp4", language="en", state="refused", made_ms=1,
                refusal={"code": "media.refused", "facts": {"reason": "it is empty"}},
            )
        )
    tashi = browser().sign_in("tashi")
    page = tashi.get(f"/teaching/lessons/{world.draft}").text
    assert "This file cannot be used as a lesson: it is empty." in page
    assert "Choose another video" in page
    tashi.post("/language", {"language": "zh"}, page="/teaching")
    assert "它是空的" in tashi.get(f"/teaching/lessons/{world.draft}").text
    again = tashi.post(f"/teaching/lessons/{world.draft}/video", page=f"/teaching/lessons/{world.draft}")
    assert again.status_code == 303
    assert 'type="file"' in tashi.get(f"/teaching/lessons/{world.draft}").text


def test_a_teacher_takes_a_lesson_back_and_children_see_it_no_more(browser: Browser, world: World) -> None:
    tashi = browser().sign_in("tashi")
    path = f"/teaching/lessons/{world.lesson}"
    assert tashi.post(f"{path}/withdraw", page=path).status_code == 303
    assert "taken back" in tashi.get(path).text
    dolma = browser().card(world.dolma_card)
    assert "Why ice floats" not in dolma.get("/").text
    gone = dolma.get(f"/lessons/{world.lesson}")
    assert gone.status_code == 410
    assert "The school has taken this lesson back." in gone.text


def test_changed_words_keep_the_languages_that_the_page_does_not_show(
    browser: Browser, world: World, installation: Installation
) -> None:
    with installation.database.write() as session:
        lesson = session.get(Lesson, world.draft)
        assert lesson is not None
        lesson.titles = {**lesson.titles, "ug": "پار"}
    tashi = browser().sign_in("tashi")
    path = f"/teaching/lessons/{world.draft}/words"
    typed = {"language": "en", "title_en": "Steam and water", "title_bo": "རླངས་པ།", "text_en": "Look."}
    assert tashi.post(path, typed, page=path).status_code == 303
    with installation.database.read() as session:
        lesson = session.get(Lesson, world.draft)
        assert lesson is not None
        assert lesson.titles == {"en": "Steam and water", "bo": "རླངས་པ།", "ug": "پار"}


def test_an_operator_makes_a_school_and_a_code_that_is_shown_once(browser: Browser, world: World, installation: Installation) -> None:
    tenzin = browser().sign_in("tenzin")
    path = "/operator/organisations/new"
    alone = tenzin.post(path, {"kind": "school", "name": "Amdo school", "language": "en", "parent_uid": ""}, page=path)
    assert alone.status_code == 400
    assert 'value="Amdo school"' in alone.text
    typed = {"kind": "school", "name": "Amdo school", "language": "en", "parent_uid": world.region}
    made = tenzin.post(path, typed, page=path)
    assert made.status_code == 303
    with installation.database.read() as session:
        school = next(org for org in session.scalars(select(Organisation)) if org.names == {"en": "Amdo school"})
    assert made.headers["Location"] == f"/schools/{school.uid}"
    path = "/operator/boxes/code"
    site = re.search(r'value="([0-9a-f-]{36})">Amdo school', tenzin.get(path).text)
    assert site
    answer = tenzin.post(path, {"site_uid": site[1], "node_name": "amdo-1"}, page=path)
    code = re.search(r'class="code">([0-9A-Z-]{23})<', answer.text)
    assert code
    assert code[1] not in tenzin.get("/operator").text
