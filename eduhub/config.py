"""All settings, in one table: the fields of `Settings`.

Each is read from the environment as EDUHUB_<NAME>, checked once at the start, and
explained by its `meaning`. A value that cannot be used stops the start and names the
setting. `eduhub settings` and docs/settings.md print this table.

The only file that reads the environment.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from eduhub.errors import BadSetting

Role = Literal["hub", "node"]
T = TypeVar("T")


def setting(default: T, meaning: str, *, parse: Callable[[str], T]) -> T:
    """One row of the table: its default, what it means, and how its text is read."""
    return field(default=default, metadata={"meaning": meaning, "parse": parse})


def _one_of(*allowed: str) -> Callable[[str], Any]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"it must be one of {', '.join(allowed)}")
        return text

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"it must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _yes_no(text: str) -> bool:
    if text not in {"yes", "no"}:
        raise ValueError("it must be yes or no")
    return text == "yes"


def _path(text: str) -> Path:
    if not text:
        raise ValueError("it must be a path")
    return Path(text).absolute()


def _web_address(text: str) -> str:
    if text and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+", text):
        raise ValueError("it must look like https://hub.example.org, without a path")
    return text


def _database_address(text: str) -> str:
    if text and not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("it must begin with sqlite:/// or postgresql+psycopg://")
    return text


def _domain(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*", text) or len(text) > 190:
        raise ValueError("it must be a domain in small letters, as lan or boxes.example.org")
    return text


def _file_path(text: str) -> str:
    return str(Path(text).absolute()) if text else ""


def _any_text(text: str) -> str:
    return text


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one installation."""

    role: Role = setting("hub", "hub: where lessons are made; node: a school's box", parse=_one_of("hub", "node"))
    data_dir: Path = setting(Path("media").absolute(), "The folder for everything that is kept", parse=_path)
    database: str = setting(
        "", "Address of the database; empty: an SQLite file in data_dir", parse=_database_address
    )
    bind: str = setting("127.0.0.1", "Network address the pages are served on (0.0.0.0: every one)", parse=_any_text)
    port: int = setting(8080, "TCP port the pages are served on", parse=_whole(1, 65535))
    public_url: str = setting(
        "", "Address that people and boxes use, as https://hub.example.org; empty: http://bind:port", parse=_web_address
    )
    secure_cookies: bool = setting(
        True, "Cookies only over TLS. 'no' is for a hub tried out on this machine; a box on plain HTTP needs no 'no'",
        parse=_yes_no,
    )
    web_processes: int = setting(2, "Web server processes", parse=_whole(1, 64))
    web_threads: int = setting(256, "Readers that one web process serves at once", parse=_whole(1, 1000))
    web_server: Literal["auto", "nginx", "gunicorn"] = setting(
        "auto", "What answers at the port; auto: nginx in front where it is installed, else gunicorn alone",
        parse=_one_of("auto", "nginx", "gunicorn"),
    )
    tls_certificate: str = setting(
        "", "File with the certificate and its chain (PEM): nginx then speaks TLS at the port; empty: plain HTTP, or TLS by a proxy",
        parse=_file_path,
    )
    tls_key: str = setting("", "File with the key of tls_certificate (PEM)", parse=_file_path)
    http_port: int = setting(
        0, "With tls_certificate: TCP port where plain HTTP is led to TLS and ACME is answered, 80 as a rule; 0: none",
        parse=_whole(0, 65535),
    )
    default_language: Literal["en", "zh", "bo"] = setting(
        "zh", "Language of the pages for a browser that asks for none of ours", parse=_one_of("en", "zh", "bo")
    )
    upload_max_mb: int = setting(4096, "Largest file a teacher may send, in MB", parse=_whole(1, 1_000_000))
    upload_keep_days: int = setting(7, "Days a file that has not arrived whole is kept", parse=_whole(1, 30))
    school_quota_mb: int = setting(
        500_000, "Room for the recordings of one school, in MB; the operator can give a school more", parse=_whole(1, 1_000_000_000)
    )
    keep_replaced_days: int = setting(
        30, "Days a recording is kept after a better one has replaced it", parse=_whole(1, 3650)
    )
    disk_spare_mb: int = setting(500, "Room on the disk that uploads and encodings leave free, in MB", parse=_whole(0, 10_000_000))
    scrub_mb_s: int = setting(5, "How fast stored files are read again to find damage, in MB a second", parse=_whole(1, 1000))
    media_max_hours: int = setting(6, "Longest lecture that is accepted, in hours", parse=_whole(1, 48))
    ffmpeg: str = setting(
        "", "Path of the ffmpeg program; empty: the system's if it is good enough, else the packaged one",
        parse=_any_text,
    )
    jail: Literal["auto", "bubblewrap", "rlimits"] = setting(
        "auto", "How ffmpeg is shut in; auto: bubblewrap where it works, resource limits always",
        parse=_one_of("auto", "bubblewrap", "rlimits"),
    )
    encode_threads: int = setting(2, "Threads one encoding may use", parse=_whole(1, 256))
    encode_window: str = setting(
        "00:00-24:00", "Time of day in which the heavier videos are made; the light ones are made at any time",
        parse=lambda text: _window(text),
    )
    time_zone: str = setting("Asia/Shanghai", "Time zone of this machine's time windows", parse=lambda text: _zone(text))
    job_lease_s: int = setting(15, "Seconds until the work of a silent worker is given to another", parse=_whole(2, 3600))
    sync_every_s: int = setting(60, "A box asks its hub every so many seconds", parse=_whole(1, 86_400))
    sync_window: str = setting(
        "00:00-24:00", "School time between which a box may fetch lessons, where the school has set no hours of its own", parse=lambda text: _window(text)
    )
    box_suffix: str = setting(
        "lan", "What follows the name of a box in its address on the school's network, as in http://shuanghu-3.lan", parse=_domain
    )
    box_domain: str = setting(
        "", "Hub: domain below which boxes get TLS certificates, as boxes.example.org; empty: they get none",
        parse=lambda text: _domain(text) if text else "",
    )
    certificate_command: str = setting(
        "", "Hub: program that makes a box's certificate by DNS-01; it is called with a file with the request and the file for the chain",
        parse=_any_text,
    )
    school_dns: bool = setting(
        False, "Whether this box gives the names on the school's network (by dnsmasq), so that telephones are led to its page", parse=_yes_no
    )
    wifi_name: str = setting("", "Name of the school's Wi-Fi, for the poster; empty: it is typed on the poster's page", parse=_any_text)
    mirror: bool = setting(True, "Whether a box gives lessons to other boxes of its hub, as far as the hub grants it", parse=_yes_no)
    mirror_kbit_s: int = setting(
        0, "What other boxes may take together, in kbit/s; 0: as fast as the network is", parse=_whole(0, 100_000_000)
    )
    mirror_at_once: int = setting(
        4, "Answers that other boxes get at the same time, so that children come first; more for a county mirror", parse=_whole(1, 200)
    )
    neighbours: bool = setting(
        True, "Whether a box makes itself known on the school's network, as <name>.local, and looks for other boxes there", parse=_yes_no
    )
    releases_dir: str = setting(
        "", "Folder of a box's versions of EduHub, beside which the launcher lies; empty: releases, beside data_dir", parse=_file_path
    )
    proving: bool = setting(
        False, "Set by the launcher while a new version shows that it works: pages answer, and no work is done", parse=_yes_no
    )
    sticks: str = setting(
        "/media:/run/media:/mnt", "Folders below which sticks are mounted, with colons between; pages offer no others", parse=_any_text
    )
    pass_hours: int = setting(12, "Hours a page's permission to read a lesson's parts lasts", parse=_whole(1, 168))
    log_format: Literal["json", "text"] = setting(
        "json", "json: one object a line; text: for people", parse=_one_of("json", "text")
    )

    @property
    def database_url(self) -> str:
        """The database address, with the SQLite default filled in."""
        return self.database or f"sqlite:///{self.data_dir / 'eduhub.db'}"

    @property
    def releases_folder(self) -> Path:
        """Where a box's versions of EduHub lie."""
        return Path(self.releases_dir) if self.releases_dir else self.data_dir.parent / "releases"

    @property
    def origin(self) -> str:
        """Scheme, host and port under which this machine is reached."""
        return self.public_url or f"{'https' if self.tls_certificate else 'http'}://{self.bind}:{self.port}"

    @property
    def is_behind_tls(self) -> bool:
        """Whether a TLS server of somebody else stands in front: then its word about the client counts."""
        return self.public_url.startswith("https://") and not self.tls_certificate

    @property
    def cookies_need_tls(self) -> bool:
        """Whether cookies bear `Secure`: a box on plain HTTP, as schools have it, could sign nobody in with that."""
        return self.secure_cookies and not (self.role == "node" and self.origin.startswith("http://"))


def _window(text: str) -> str:
    match = re.fullmatch(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", text)
    if not match or "24:" in text.replace("24:00", ""):
        raise ValueError("it must look like 22:00-06:00")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, KeyError, OSError) as error:
        raise ValueError("it must be a time zone such as Asia/Shanghai") from error
    return text


def table() -> Iterator[Field[Any]]:
    """The rows of the table, in order: `.name`, `.default`, `.metadata['meaning']`."""
    yield from fields(Settings)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"EDUHUB_{name.upper()}"


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process; raises BadSetting, which names the setting."""
    environment = os.environ if environment is None else environment
    known = {variable(row.name): row for row in table()}
    for name in environment:
        if name.startswith("EDUHUB_") and name not in known and not name.startswith("EDUHUB_TEST_"):
            raise BadSetting(setting=name, reason="there is no such setting")
    values: dict[str, Any] = {}
    for name, row in known.items():
        if name in environment:
            try:
                values[row.name] = row.metadata["parse"](environment[name])
            except ValueError as error:
                raise BadSetting(setting=name, reason=str(error)) from error
    return Settings(**values)


def as_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with `settings` in it, for a child process."""
    own = {variable(row.name): _as_text(getattr(settings, row.name)) for row in table()}
    return {name: value for name, value in os.environ.items() if not name.startswith("EDUHUB_")} | own


def inherited() -> dict[str, str]:
    """This process's environment, for a child that is another version: without what tells Python where ours lies."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
