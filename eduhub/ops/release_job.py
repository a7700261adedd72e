"""The job `release.put_in`: what a box does by itself with the version it is offered, a few times an hour.

When all of it is here it is installed beside what runs; when school is over and nobody watches, the launcher is asked to
change over. One that did not work is not tried again: the operator offers another.
This module must not know how a release is installed (`release_install`).
"""

from eduhub import __version__, logs
from eduhub.installation import Installation, JobContext
from eduhub.ops import release_install
from eduhub.ops.launching.files import facts
from eduhub.sync.releases import fetching, holding, offering, quiet, state

log = logs.logger(__name__)


def put_in(context: JobContext) -> None:
    """One look. Raises what keeps a release from being installed."""
    here = context.installation
    folder = here.settings.releases_folder
    with here.database.read() as session:
        found, now = fetching.offered(session, __version__), state.state_here(session, here)
    if now.stage == state.NOTHING and folder.is_dir():
        _forget(here)
    if found is None or now.stage != state.READY:
        return
    name = release_install.prepare(here, found.release_id)
    with here.database.read() as session:
        is_quiet = quiet.now(session, here)
    if is_quiet:
        log.info("the launcher is asked to change over", version=found.version)
        release_install.ask_launcher(folder, name)


def _forget(here: Installation) -> None:
    """Nothing is under way: older versions and releases go. The wheels of the one that runs stay, for the next needs most of them;
    and those of one that is offered, for what is held back now goes on some day, and a school's link carried them once.
    """
    folder = here.settings.releases_folder
    release_install.tidy(folder)
    running = facts(folder / "current") or {}
    if running.get("release"):
        with here.database.write() as session:
            offered = {row.release_id for row in offering.all_open(session)}
            holding.forget_others(session, offered | {str(running["release"])})
