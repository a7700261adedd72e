"""A PostgreSQL server of its own for one run of the tests: made, used and thrown away.

It listens on a unix socket in its own folder only, trusts everybody who can open that, and
does not sync to disk (the power-cut tests are about files, not about this server).
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path


def missing() -> str | None:
    """Why no server can be started here; None when one can."""
    if _bin_dir() is None:
        return "PostgreSQL is not installed (no initdb in /usr/lib/postgresql/*/bin or on the PATH)"
    if os.geteuid() == 0 and _server_account() is None:
        return "PostgreSQL refuses to run as root, and there is no account 'postgres' or 'nobody' to run it as"
    return None


def _bin_dir() -> Path | None:
    packaged = sorted(
        (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), key=lambda path: path.parent.name
    )
    if packaged:
        return packaged[-1]
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _server_account() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


class Cluster:
    """One running server. `address` names its maintenance database."""

    def __init__(self) -> None:
        found = _bin_dir()
        assert found is not None, missing()
        self._bin = found
        # In memory where that is possible: every test has a database made for it.
        in_memory = Path("/dev/shm")
        self._folder = Path(tempfile.mkdtemp(prefix="eduhub-pg-", dir=in_memory if os.access(in_memory, os.W_OK) else "/tmp"))
        self._account = _server_account() if os.geteuid() == 0 else None
        if self._account:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
        self._data = self._folder / "data"
        try:
            self._run("initdb", "--auth=trust", "--username=eduhub", "--encoding=UTF8", "--no-sync", "--locale=C.UTF-8")
            options = (
                f"-c listen_addresses= -c unix_socket_directories={self._folder} -c fsync=off -c synchronous_commit=off"
                " -c full_page_writes=off -c max_connections=300 -c shared_buffers=32MB -c wal_level=minimal"
                " -c max_wal_senders=0"
            )
            self._run("pg_ctl", "--wait", "--options", options, "--log", str(self._folder / "log"), "start")
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self.address = f"postgresql+psycopg://eduhub@/postgres?host={self._folder}"

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        self._run("pg_ctl", "--mode=immediate", "--wait", "stop")
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), "--pgdata", str(self._data), *arguments]
        # Output goes to a file: a server that inherits a pipe keeps its reader waiting for ever.
        with (self._folder / f"{program}.out").open("w+") as output:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/", check=False,
                timeout=120, **self._as_server_account(),
            )  # fmt: skip
            if done.returncode:
                output.seek(0)
                raise RuntimeError(f"{program} failed: {output.read()}")

    def _as_server_account(self) -> dict[str, object]:
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
