"""The page carries what playing starts with; the rest of the tables is had beside it, by whoever may read the lesson."""

import json
import re
from typing import Any

from flask.testing import FlaskClient

from eduhub.app import create_app
from eduhub.courses.models import Lesson
from eduhub.installation import Installation
from tests.web.world import Reader, World, publish


def data_of(client: FlaskClient, world: World) -> dict[str, Any]:
    """What the lesson's page tells the player."""
    page = client.get(f"/lessons/{world.lesson}").text
    found = re.search(r'id="lesson-data">(.*?)</script>', page, re.DOTALL)
    assert found
    told: dict[str, Any] = json.loads(found[1])
    return told


def test_the_whole_tables_of_what_is_held_are_beside_the_page(installation: Installation, world: World) -> None:
    dolma = Reader(create_app(installation=installation).test_client()).card(world.dolma_card).client
    told = data_of(dolma, world)
    whole = dolma.get(told["tables"])
    assert whole.status_code == 200
    assert [track["name"] for track in whole.json["tracks"]] == [track["name"] for track in told["index"]["tracks"]]
    assert all(track["chunk_bytes"] for track in whole.json["tracks"])
    assert dolma.get(told["tables"], headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304


def test_who_may_not_read_the_lesson_has_no_tables_either(installation: Installation, world: World) -> None:
    app = create_app(installation=installation)
    address = data_of(Reader(app.test_client()).card(world.dolma_card).client, world)["tables"]
    assert Reader(app.test_client()).card(world.stranger_card).client.get(address).status_code == 403
    assert app.test_client().get(address).status_code in (303, 401, 403)


def test_a_page_of_an_earlier_version_is_led_to_the_index_of_its_own(installation: Installation, world: World) -> None:
    dolma = Reader(create_app(installation=installation).test_client()).card(world.dolma_card).client
    told = data_of(dolma, world)
    with installation.database.read() as session:
        lesson = session.get_one(Lesson, world.lesson)
    publish(installation, lesson, revision=2)
    answer = dolma.get(told["tables"])
    assert answer.status_code == 303
    assert answer.headers["Location"] == told["base"] + told["index_sha256"]


def test_what_is_no_address_of_a_part_leads_nowhere(installation: Installation, world: World) -> None:
    dolma = Reader(create_app(installation=installation).test_client()).card(world.dolma_card).client
    address = data_of(dolma, world)["tables"].partition("?")[0]
    assert dolma.get(f"{address}?package=//evil.example&index=x").status_code == 404
