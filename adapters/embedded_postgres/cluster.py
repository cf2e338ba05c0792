"""The files of one database directory, and the programs that create and run the server in it."""

import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

from adapters.embedded_postgres.configuration import ADDRESS, choose_port, settings
from adapters.embedded_postgres.errors import DirectoryUnusable, StartFailed
from adapters.embedded_postgres.locks import try_lock
from adapters.embedded_postgres.ownership import Account

SUPERUSER = "postgres"
MAJOR_VERSION = "18"
LOG_BYTES = 10_000_000
TAIL_LINES = 15


class Cluster:
    """One database directory: `data`, `password`, `port`, `server.log`, `postgresql.conf` and the locks.

    All of it is used under the start-up lock, one supervisor at a time.
    """

    def __init__(self, directory: Path, account: Account, programs: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.password_file = directory / "password"
        self.log = directory / "server.log"
        self.server_lock = directory / "server.lock"
        self._port_file = directory / "port"
        self._configuration = directory / "postgresql.conf"
        self._account = account
        self._programs = programs

    def url(self) -> str:
        """The superuser's connection URL, password included."""
        password = self.password_file.read_text()
        return f"postgresql://{SUPERUSER}:{password}@{ADDRESS}:{self.port()}/postgres"

    def port(self) -> int | None:
        """The port of the running server, or of the last one."""
        try:
            return int(self._port_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def log_tail(self) -> str:
        """Where the server's log is and its last lines, for the end of an error message."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"Its log ({self.log}) ends:", *(lines[-TAIL_LINES:] or ["(empty)"])])

    def check_version(self) -> None:
        """Raise DirectoryUnusable when the data cannot be opened by this Postgres, or not by us."""
        if not self.data.exists():
            return
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != MAJOR_VERSION:
            raise DirectoryUnusable(
                f"{self.data} was made by Postgres {found}, and this is {MAJOR_VERSION}. Dump it with the "
                "version that made it and load the dump here, or go back to that version."
            )
        if not self.password_file.exists():
            raise DirectoryUnusable(
                f"{self.password_file} is missing, and the database cannot be entered without it. "
                "Restore it from a backup of the directory."
            )

    def create(self, deadline: float) -> None:
        """Create the database if there is none. A run of this that was cut short leaves nothing behind."""
        if self.data.exists():
            return
        unfinished = self.directory / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, self._account.uid, self._account.gid)
        self._write_password()
        arguments = [
            *("-D", str(unfinished), f"--username={SUPERUSER}", f"--pwfile={self.password_file}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ]
        try:
            self._run([str(self._programs / "initdb"), *arguments], deadline - time.monotonic())
        except subprocess.TimeoutExpired as error:
            raise StartFailed(
                f"Creating the database in {self.directory} takes too long. Is its disk very slow or full? "
                f"Start again to begin anew. {self.log_tail()}"
            ) from error
        except subprocess.CalledProcessError as error:
            raise StartFailed(
                f"The database in {self.directory} could not be created. {self.log_tail()}"
            ) from error
        unfinished.rename(self.data)

    def configure(self) -> int:
        """Write the settings for the next start; returns the port."""
        port = choose_port(self.port())
        _replace(self._configuration, settings(port, self.data), 0o644)
        _replace(self._port_file, str(port), 0o644)
        return port

    def spawn(self) -> None:
        """Start the server, detached from us. The caller knows that no process of an older one is alive."""
        # After a power cut the recorded process id may belong to anything, and Postgres would not start.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_name("server.log.1"))
        server = [str(self._programs / "postgres"), "-D", str(self.data)]
        # The shell ends at once, so the server is nobody's child here: no zombie, no shared fate.
        detach = ["/bin/sh", "-c", '"$@" &', "sh"]
        self._run([*detach, *server, "-c", f"config_file={self._configuration}"], None)

    def _run(self, command: list[str], timeout: float | None) -> None:
        lock = try_lock(self.server_lock)
        if lock is None:
            raise StartFailed(f"{self.server_lock} is held by a process that is no supervisor. End it first.")
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            subprocess.run(  # noqa: S603 - our own programs, our own arguments, no shell reads them
                command,
                check=True,
                timeout=timeout,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own: Ctrl-C at our terminal is not for the server.
                start_new_session=True,
                pass_fds=(lock,),
                cwd="/",
                umask=0o077,
                # Nothing like PGPORT or a foreign LC_ALL may leak in.
                env={"PATH": os.defpath, "LC_ALL": "C"},
                **self._account.process_options(),
            )
        finally:
            os.close(log)
            os.close(lock)

    def _write_password(self) -> None:
        self.password_file.unlink(missing_ok=True)
        descriptor = os.open(self.password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            # initdb reads it under the server's account.
            os.fchown(descriptor, self._account.uid, self._account.gid)
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(descriptor)


def _replace(path: Path, text: str, mode: int) -> None:
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_text(text)
    unfinished.chmod(mode)
    unfinished.replace(path)
