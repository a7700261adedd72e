"""What a search costs in a large county: 10,000 lessons with titles, words and captions, on SQLite and on PostgreSQL.

`index_s` is making the whole index, `index_mb` what it takes on the disk, `text_mb` how much text is in it (UTF-8). `rare_ms`, `usual_ms` and
`common_ms` are one search with its first page of lines, by words that stand in a few, in a tenth and in nearly all lessons (median of
many); `stale_ms` is what a worker asks every five seconds. Captions are put into the index as the worker would, without packages
around them. Prints a table, then one JSON object. BENCH=short: 1,000 lessons.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parents[1]))

from eduhub.config import Settings
from eduhub.courses import editing, search
from eduhub.courses.search import indexing
from eduhub.db import Database
from eduhub.installation import JobContext, open_installation
from eduhub.ops import migrate
from eduhub.schools import organisations
from tests import postgresql_cluster

SHORT = os.environ.get("BENCH") == "short"
LESSONS = 1000 if SHORT else 10_000
CUES = 100  # of one lesson: a quarter of an hour of talk
TIMES = 20
HAN = "水冰学数山火木土日月人口手足天地云雨雪风马牛羊草花春夏秋冬東西南北"
SYLLABLES = "ཆུ མེ ས ཤིང བོད ཡིག སློབ གྲྭ དགེ རྒན གངས རི མཚོ བྱ ཉ རྟ གཡག ལུག མེ་ཏོག དཔྱིད དབྱར སྟོན དགུན".split()
QUERIES = {"rare_ms": "冰川湖", "usual_ms": "གངས་མཚོ་བྱ", "common_ms": "山"}


def line(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return "".join(chance.choices(HAN, k=14))
    return "་".join(chance.choices(SYLLABLES, k=8)) + "།"


def said(_session: Any, _here: Any, lesson_uid: str) -> list[tuple[str, list[list[Any]]]]:
    """What `indexing` would read from a package: the same for the same lesson each time."""
    chance = random.Random(lesson_uid)
    lines = [[number * 9000, line(chance)] for number in range(CUES)]
    if chance.random() < 5 / LESSONS:
        lines[50][1] += "冰川湖"
    return [("zh", lines)]


def milliseconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(taken), 1)


def size(database: Database) -> int:
    with database.read() as session:
        if not database.is_sqlite:
            asked = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname LIKE 'search_%' AND relkind = 'r'"
        else:
            asked = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        return int(session.execute(text(asked)).scalar() or 0)


def measure(settings: Settings) -> dict[str, float]:
    here = open_installation(settings)
    migrate.upgrade(here.database)
    chance = random.Random(4)
    with here.database.write() as session:
        school = organisations.add(session, kind="school", names={"zh": "双湖小学"})
        courses = [editing.add_course(session, org_uid=school.uid, titles={"zh": f"课{number}"}) for number in range(LESSONS // 50)]
        for number in range(LESSONS):
            editing.add_lesson(
                session, course_uid=courses[number // 50].uid, titles={"zh": line(chance), "bo": line(chance)},
                texts={"zh": line(chance) * 3}, language="zh",
            )  # fmt: skip
    before = size(here.database) if here.database.is_sqlite else 0
    indexing._spoken = said  # type: ignore[assignment]
    began = time.perf_counter()
    count = search.refresh(JobContext(here, "", lambda _share: None))
    found: dict[str, float] = {"lessons": count, "index_s": round(time.perf_counter() - began, 1)}
    found["index_mb"] = round((size(here.database) - before) / 1e6, 1)
    with here.database.read() as session:
        spoken = sum(len(row[0]) for row in session.execute(text("SELECT CAST(lines AS TEXT) FROM search_text")))
        found["lines_mb"] = round(spoken / 1e6, 1)
        for name, query in QUERIES.items():
            terms = search.terms_of(query)
            uids = [one.lesson_uid for one in search.find(session, terms)]
            found[name.replace("_ms", "_found")] = len(uids)
            found[name] = milliseconds(lambda t=terms: search.passages(session, t, [one.lesson_uid for one in search.find(session, t)[:20]]))  # type: ignore[misc]
        found["stale_ms"] = milliseconds(lambda: search.is_stale(session))
    here.database.close()
    return found


def main() -> None:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        found["sqlite"] = measure(Settings(data_dir=Path(folder) / "hub"))
        if postgresql_cluster.missing() is None:
            cluster = postgresql_cluster.Cluster()
            try:
                found["postgresql"] = measure(Settings(data_dir=Path(folder) / "large", database=cluster.address))
            finally:
                cluster.stop()
    for engine, figures in found.items():
        sys.stdout.write(f"{engine:12}" + "  ".join(f"{name} {value:g}" for name, value in figures.items()) + "\n")
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
