"""nginx in front of gunicorn: its configuration, whether it can be used here, and how it is started.

Everything lies in data_dir/run/front, which only this user may read: no file of the system is touched and no right
of root is needed. What nginx may send and as what, Python says: eduhub/delivery/http.py. See docs/behind-nginx.md.

This module must not know pages, passes or packages, nor keep anything running: that is the supervisor's.
"""

import contextlib
import mimetypes
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import eduhub
from eduhub import http, logs
from eduhub.config import Settings
from eduhub.delivery import codings, front
from eduhub.delivery import http as delivery_http
from eduhub.errors import BadSetting
from eduhub.installation import Installation
from eduhub.media import card_photos

TEMPLATE = Path(__file__).with_name("nginx.conf.in")
SHOWN = Path(__file__).with_name("shown")
WEB = Path(eduhub.__file__).parent / "web"
# What a page or a box may send at most, and a little, so that Python can say so in its own words.
FORM_BYTES, SYNC_BYTES = (1 << 20) + (64 << 10), (2 << 20) + (64 << 10)
PHOTO_BYTES = card_photos.MOST_BYTES + FORM_BYTES
LONGEST_SOCKET_PATH = 107
LED_TO_TLS = """
    server {{
        listen {listen};
        location ^~ /.well-known/acme-challenge/ {{
            root "{webroot}";
            types {{ }}
            default_type text/plain;
        }}
        location / {{ return 301 "{origin}$request_uri"; }}
    }}
"""
MOST_PROCESSES, OPEN_FILES = 4, 16_384
_ALSO_HERE = (Path("/usr/sbin/nginx"), Path("/usr/local/sbin/nginx"))  # not in everybody's PATH
# It would end a word of the configuration, or begin a variable.
_UNQUOTABLE = re.compile(r'["$\\\x00-\x1f]')

_log = logs.logger(__name__)


@dataclass(frozen=True)
class Stand:
    """nginx, ready to be started, and where it expects gunicorn."""

    command: tuple[str, ...]
    folder: Path
    gunicorn_bind: str


def program() -> Path | None:
    """The nginx of this machine, or None."""
    found = shutil.which("nginx")
    if found is not None:
        return Path(found)
    return next((path for path in _ALSO_HERE if os.access(path, os.X_OK)), None)


def version(nginx: Path) -> str:
    """What this nginx calls itself, as 1.22.1."""
    said = subprocess.run([str(nginx), "-v"], capture_output=True, text=True, check=False, timeout=20).stderr
    found = re.search(r"nginx/([0-9.]+)", said)
    return found[1] if found else "of unknown version"


def stand(installation: Installation) -> Stand | None:
    """nginx for this installation; None when gunicorn is to answer alone. Raises BadSetting where nginx is demanded."""
    settings = installation.settings
    _check_certificate(settings)
    if settings.web_server == "gunicorn":
        return None
    reason = "nginx is not installed"
    if (nginx := program()) is not None:
        try:
            found = write(installation, nginx)
            reason = unusable(found) or ""
        except BadSetting as error:
            reason = str(error.facts["reason"])
        if not reason:
            return found
    if settings.web_server == "nginx" or settings.tls_certificate:  # never plain HTTP where TLS is expected
        raise BadSetting(reason, setting="EDUHUB_WEB_SERVER", reason=reason)
    _log.info("gunicorn answers alone", reason=reason)
    return None


def unusable(made: Stand) -> str | None:
    """Why nginx would not start with what was written, in its own words; None when it would."""
    done = subprocess.run([*made.command, "-t"], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode == 0:
        return None
    complaints = [line for line in done.stderr.splitlines() if "[emerg]" in line] or [f"it ended with {done.returncode}"]
    return complaints[0].rpartition("[emerg] ")[2][:300]


def write(installation: Installation, nginx: Path) -> Stand:
    """Write the configuration, and put away what an earlier run has left."""
    folder = installation.settings.data_dir / "run" / "front"
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    shutil.rmtree(folder / "asked", ignore_errors=True)
    upstream, bind = _meeting_place(folder)
    with contextlib.suppress(PermissionError):  # a program that cannot change its own files has no stale ones
        codings.remove_stale(WEB / "static")  # nginx does not look what a .gz is of
    made = folder / "nginx.conf"
    with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(configuration(installation, folder, upstream))
    return Stand((str(nginx), "-p", str(folder), "-c", str(made)), folder, bind)


def _check_certificate(settings: Settings) -> None:
    """Raises BadSetting where TLS is asked for by half."""
    if not settings.tls_certificate:
        if settings.tls_key or settings.http_port:
            raise BadSetting(setting="EDUHUB_TLS_CERTIFICATE", reason="EDUHUB_TLS_KEY and EDUHUB_HTTP_PORT go with it")
        return
    for name in ("tls_certificate", "tls_key"):
        file = getattr(settings, name)
        if not os.access(file or "/", os.R_OK) or not os.path.isfile(file):
            raise BadSetting(setting=f"EDUHUB_{name.upper()}", reason="there is no such file that this user can read")
    if settings.web_server == "gunicorn":
        raise BadSetting(setting="EDUHUB_WEB_SERVER", reason="with a certificate nginx must answer")
    if not settings.origin.startswith("https://"):
        raise BadSetting(setting="EDUHUB_PUBLIC_URL", reason="with a certificate it begins with https://")


def reload(settings: Settings) -> None:
    """Have the running nginx read its files again, a renewed certificate among them. Those who read go on."""
    try:
        os.kill(int((settings.data_dir / "run" / "front" / "nginx.pid").read_text(encoding="ascii")), signal.SIGHUP)
    except (OSError, ValueError) as error:
        _log.warning("nginx was not reloaded", reason=str(error))


def configuration(installation: Installation, folder: Path, upstream: str) -> str:
    """The text of nginx.conf. Raises BadSetting for a path that it could not hold."""
    settings = installation.settings
    values = {
        "folder": _path(folder), "packages": _path(installation.packages_dir), "web": _path(WEB), "shown": _path(SHOWN),
        "processes": str(min(MOST_PROCESSES, os.cpu_count() or 1)), "files": str(_open_files()), "user": _user(),
        "upstream": upstream, "listen": _listen(settings, settings.port), "told": _told(settings),
        "behind_tls": " but the TLS server's own" if settings.is_behind_tls else "",
        "tls": _tls(settings), "led_to_tls": _led_to_tls(settings), "webroot": _path(webroot(settings)),
        "front_header": front.HEADER, "word": front.word(installation.keys.secret),
        "form_bytes": str(FORM_BYTES), "photo_bytes": str(PHOTO_BYTES), "sync_bytes": str(SYNC_BYTES), "types": _types(),
        "check": delivery_http.CHECK_PATH, "caching": delivery_http.CACHING,
        "immutable": http.POLICIES["immutable"], "private": http.POLICIES["private"],
        "of_pages": "\n".join(
            f'    map $uri $page_{number} {{ default "{http.SECURITY_HEADERS[name]}"; "~\\.(css|js|woff2|svg)$" ""; }}'
            for number, name in enumerate(sorted(http.OF_PAGES))
        ),
        "page_headers": "\n".join(
            f"            add_header {name} $page_{number};" for number, name in enumerate(sorted(http.OF_PAGES))
        ),
        "over_tls": "\n".join(
            f'    map $lane_scheme $tls_{number} {{ default ""; https "{text}"; }}'
            for number, text in enumerate(http.TLS_HEADERS.values())
        ),
        "tls_headers": "\n".join(
            f"            add_header {name} $tls_{number} always;" for number, name in enumerate(http.TLS_HEADERS)
        ),
    }  # fmt: skip
    return re.sub(r"@([a-z_]+)@", lambda found: values[found[1]], TEMPLATE.read_text(encoding="utf-8"))


def _path(path: Path) -> str:
    text = str(path)
    if _UNQUOTABLE.search(text):
        raise BadSetting(text, setting="EDUHUB_DATA_DIR", reason="nginx cannot be told a path with such signs in it")
    return text


def _meeting_place(folder: Path) -> tuple[str, str]:
    """Where nginx and gunicorn meet, as each of them writes it: a socket file, or a loopback port for a long path."""
    path = folder / "pages.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()  # gunicorn takes away a socket that a dead one has left, and nothing else
        return f"unix:{path}", f"unix:{path}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{probe.getsockname()[1]}"
    return place, place


def webroot(settings: Settings) -> Path:
    """Where an ACME client puts what it is asked for: see docs/behind-nginx.md."""
    return settings.data_dir / "run" / "acme"


def _tls(settings: Settings) -> str:
    if not settings.tls_certificate:
        return f"        listen {_listen(settings, settings.port)} backlog=1024;"
    return "\n".join(
        f"        {line}"
        for line in (
            f"listen {_listen(settings, settings.port)} ssl backlog=1024;",
            f'ssl_certificate "{_path(Path(settings.tls_certificate))}";',
            f'ssl_certificate_key "{_path(Path(settings.tls_key))}";',
            "ssl_protocols TLSv1.2 TLSv1.3;", "ssl_session_cache shared:tls:4m;", "ssl_session_timeout 1d;",
            "ssl_session_tickets off;", f'error_page 497 =301 "{settings.origin}$request_uri";',
        )
    )  # fmt: skip


def _led_to_tls(settings: Settings) -> str:
    """A server for plain HTTP beside the one that speaks TLS. Where it leads to is ours to say, not the asker's."""
    if not settings.http_port:
        return ""
    return LED_TO_TLS.format(
        listen=_listen(settings, settings.http_port), webroot=_path(webroot(settings)), origin=settings.origin
    )


def _listen(settings: Settings, port: int) -> str:
    host = f"[{settings.bind}]" if ":" in settings.bind and not settings.bind.startswith("[") else settings.bind
    return f"{host}:{port}"


def _told(settings: Settings) -> str:
    """The words about the client: what nginx sees itself, or what the TLS server before it says."""
    if settings.is_behind_tls:
        return (
            '    map $http_x_forwarded_for $lane_for { default $http_x_forwarded_for; "" $remote_addr; }\n'
            '    map $http_x_forwarded_proto $lane_scheme { default http; https https; }\n'
            '    map $http_x_forwarded_host $lane_told_host { default $http_x_forwarded_host; }'
        )
    return (
        "    map 1 $lane_for { default $remote_addr; }\n"
        f"    map 1 $lane_scheme {{ default {'https' if settings.tls_certificate else 'http'}; }}\n"
        '    map 1 $lane_told_host { default ""; }'
    )


def _user() -> str:
    """Under root nginx would give its workers to another user, who may not read the data folder."""
    return f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""


def _open_files() -> int:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)


def _types() -> str:
    """The types of the files below static/, as Python names them."""
    endings = {path.suffix for path in (WEB / "static").rglob("*") if path.is_file()} - {".gz", ".br", ".zst"}
    rows = []
    for ending in sorted(endings):
        kind = mimetypes.guess_type(f"file{ending}")[0]
        if kind:
            words = f'"{kind}; charset=utf-8"' if kind.startswith("text/") or kind.endswith("+xml") else kind
            rows.append(f"                {words} {ending[1:]};")
    return "\n".join(rows)
