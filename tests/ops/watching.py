"""A child watches at a box, for the tests of this folder."""

from eduhub import changes
from eduhub.installation import Installation
from eduhub.learning import events, progress
from eduhub.sync.homeward import outbox
from tests.sync.world import School, watched


def watch(box: Installation, school: School, child: str) -> str:
    """Part of a lesson; returns the uid of the event."""
    event = watched(school.org, child)
    with box.database.write() as session:
        for row in events.append(session, [event], source=changes.machine_uid(session)).accepted:
            progress.apply(session, row)
        outbox.add_events(session, box.steady, [event])
    return str(event["uid"])
