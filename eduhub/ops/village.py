"""`make run-village`: a hub and a school's box that has joined it, under one foreground command.

    python -m eduhub.ops.village

The box is a second installation: role node, data folder village-box inside the hub's, the next
port, plain HTTP. At the first run it joins by a real code and fetches every lesson over HTTP;
later runs only start both.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import click
from sqlalchemy import select

from eduhub import config, logs
from eduhub.config import Settings
from eduhub.errors import EduHubError
from eduhub.installation import Installation
from eduhub.ops import serve
from eduhub.ops.box_commands import site_of
from eduhub.ops.cli import in_sentences
from eduhub.ops.demo.people import SCHOOLS
from eduhub.ops.opening import ready
from eduhub.ops.supervisor import Service, Supervisor
from eduhub.sync.boxes import nodes
from eduhub.sync.models import Upstream

BOX_NAME = "shuanghu-1"
SCHOOL = SCHOOLS["shuanghu"]["en"]


def box_settings(hub: Settings) -> Settings:
    """The settings of the box beside this hub."""
    return replace(
        hub, role="node", data_dir=hub.data_dir / "village-box", database="", port=hub.port + 1, public_url="",
        secure_cookies=False, web_processes=1,
    )  # fmt: skip


@dataclass
class Village:
    """Both installations, and what has been started of them."""

    hub: Installation
    box: Installation
    supervisor: Supervisor = field(init=False)
    watches: list[serve.Watch] = field(default_factory=list)

    def run(self) -> None:
        """Run both until told to stop."""
        self.watches = [serve.Watch(self.hub, self._hub_answers)]
        self.supervisor = Supervisor(serve.services(self.hub), self._tick)
        self.supervisor.run()
        for watch in self.watches:
            watch.close()

    def _tick(self) -> None:
        for watch in list(self.watches):
            watch.tick()

    def _hub_answers(self) -> None:
        click.echo(f"The hub is running at {self.hub.settings.origin}")
        with self.box.database.read() as session:
            has_joined = session.execute(select(Upstream.url).limit(1)).first() is not None
        if has_joined:
            self._start_box()
        else:
            self.supervisor.add([self._command("box joins", self._join_arguments(), self._first_sync)])

    def _join_arguments(self) -> tuple[str, ...]:
        with self.hub.database.write() as session:
            code = nodes.new_code(session, self.hub, site_uid=site_of(session, SCHOOL).uid, node_name=BOX_NAME)
        return ("node", "join", self.hub.settings.origin, code)

    def _first_sync(self) -> list[Service]:
        click.echo("The box has joined; it fetches the lessons ...")
        return [self._command("box syncs", ("sync", "now"), self._start_box_services)]

    def _start_box_services(self) -> list[Service]:
        self.watches.append(
            serve.Watch(
                self.box, lambda: click.echo(f"The box is running at {self.box.settings.origin}  (Ctrl-C stops both)")
            )
        )
        return serve.services(self.box)

    def _start_box(self) -> None:
        self.supervisor.add(self._start_box_services())

    def _command(self, title: str, arguments: tuple[str, ...], then: Callable[[], list[Service]]) -> Service:
        return Service(
            title, (sys.executable, "-m", "eduhub.ops.cli", *arguments), config.as_environment(self.box.settings),
            serve.CODE_FOLDER, once=True, then=then,
        )  # fmt: skip


def main() -> None:
    """Run the village of this environment's settings."""
    try:
        hub_settings = config.load()
        logs.configure(hub_settings)
        for settings in (hub_settings, box_settings(hub_settings)):
            serve.check_address_is_free(settings)
        with ready(hub_settings) as hub, ready(box_settings(hub_settings)) as box:
            Village(hub, box).run()
    except EduHubError as error:
        sys.exit(in_sentences(error))


if __name__ == "__main__":
    main()
