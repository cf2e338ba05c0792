"""The supervisor: starts the server of a directory, adopts one that is already running, and stops it."""

import os
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from adapters.embedded_postgres.binaries import find_programs
from adapters.embedded_postgres.cluster import Cluster
from adapters.embedded_postgres.configuration import is_port_free
from adapters.embedded_postgres.errors import (
    DirectoryUnusable,
    PasswordRefused,
    StartFailed,
    StartTimedOut,
    StopTimedOut,
)
from adapters.embedded_postgres.locks import POLL_SECONDS, held, is_free
from adapters.embedded_postgres.ownership import prepare_directory, server_account
from adapters.embedded_postgres.processes import end_orphans, postmaster

STARTUP_LOCK = "startup.lock"
STOP_SECONDS = 60.0
PORT_TRIES = 5


class EmbeddedPostgres:
    """The Postgres of one directory, on Linux.

    The server outlives this object and this process unless it is stopped: whoever comes next with the
    same directory finds it running and adopts it. Whether it runs is never read from a process id: the
    server and all its children hold a lock on a file, and a server that answers must accept our password.

    `start_timeout` is in seconds and covers creating the database, crash recovery and waiting for others.
    """

    def __init__(self, directory: Path, *, start_timeout: float = 60.0) -> None:
        self._directory = directory.absolute()
        self._start_timeout = start_timeout
        self._cluster: Cluster | None = None
        self._started_here = False

    def start(self) -> str:
        """Start or adopt the server; returns the superuser's connection URL. Asking again is harmless.

        Raises a subclass of EmbeddedPostgresError; see there.
        """
        deadline = time.monotonic() + self._start_timeout
        directory = self._directory.resolve()
        account = server_account(directory / "data")
        prepare_directory(directory, STARTUP_LOCK, account)
        try:
            with held(directory / STARTUP_LOCK, deadline):
                cluster = Cluster(directory, account, find_programs(directory, account))
                if not _adopt(cluster, deadline):
                    _launch(cluster, deadline)
                    self._started_here = True
                self._cluster = cluster
                return cluster.url()
        except TimeoutError as error:
            raise StartTimedOut(
                f"Another process has been starting or stopping the database in {directory} for "
                f"{self._start_timeout:.0f} s. Wait for it or end it, then start again."
            ) from error
        except PermissionError as error:
            raise DirectoryUnusable(
                f"{error.filename} belongs to another user. Start as the user who started the database first."
            ) from error

    def stop(self) -> None:
        """Stop the server that `start` started or adopted: sessions end, everything is on disk.

        Does nothing when `start` was not called or the server is gone. Raises StopTimedOut.
        """
        if self._cluster is None:
            return
        cluster, deadline = self._cluster, time.monotonic() + STOP_SECONDS
        try:
            with held(self._directory.resolve() / STARTUP_LOCK, deadline):
                if (pid := postmaster(cluster.data)) is not None:
                    os.kill(pid, signal.SIGINT)
                # Only orphans can outlive the postmaster; the lock is free when the last process is gone.
                end_orphans(cluster.data)
                with held(cluster.server_lock, deadline):
                    pass
        except TimeoutError as error:
            raise StopTimedOut(
                f"The database in {self._directory} was asked to stop but is still writing to disk after "
                f"{STOP_SECONDS:.0f} s. Give it time; it stops by itself. {cluster.log_tail()}"
            ) from error
        self._cluster, self._started_here = None, False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server if it was started here; one that was adopted may have other users."""
        if self._started_here:
            self.stop()

    @property
    def url(self) -> str:
        """The superuser's connection URL, password included. Raises RuntimeError before `start`."""
        if self._cluster is None:
            raise RuntimeError("call start() first")
        return self._cluster.url()


def ensure_running(directory: Path) -> str:
    """Start or adopt the server of a directory and leave it running; returns the superuser's URL."""
    return EmbeddedPostgres(directory).start()


def _adopt(cluster: Cluster, deadline: float) -> bool:
    """Whether a server is running; waits for one that is starting, recovering or going away."""
    cluster.check_version()
    while not is_free(cluster.server_lock):
        if _answers(cluster):
            return True
        end_orphans(cluster.data)
        _pause(cluster, deadline)
    return False


def _launch(cluster: Cluster, deadline: float) -> None:
    cluster.create(deadline)
    for _ in range(PORT_TRIES):
        port = cluster.configure()
        cluster.spawn()
        while not is_free(cluster.server_lock):
            if _answers(cluster):
                return
            _pause(cluster, deadline)
        # Somebody may have taken the port between our look and the server's.
        if is_port_free(port):
            break
    raise StartFailed(f"The database in {cluster.directory} did not start. {cluster.log_tail()}")


def _pause(cluster: Cluster, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise StartTimedOut(
            f"The database in {cluster.directory} is alive but does not answer yet. After a crash it may "
            "need minutes to recover and goes on doing so: start again later, or allow a longer start "
            f"timeout. {cluster.log_tail()}"
        )
    time.sleep(POLL_SECONDS)


def _answers(cluster: Cluster) -> bool:
    if cluster.port() is None:
        return False
    try:
        # SCRAM proves both sides: another server on the same port cannot pretend to be ours.
        psycopg.connect(cluster.url(), connect_timeout=2, require_auth="scram-sha-256").close()
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise PasswordRefused(
                f"The database in {cluster.directory} does not accept the password in "
                f"{cluster.password_file}. Put the right one back there (was it changed with ALTER ROLE?)."
            ) from error
        # A full server tells so only after the password was right.
        return "connection slots are reserved" in str(error) or "too many clients" in str(error)
    return True
