"""Whose processes and files they are: Postgres refuses to run as root, so root lends it another account."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.embedded_postgres.errors import DirectoryUnusable

UNPRIVILEGED = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An operating system account the server runs as."""

    name: str
    uid: int
    gid: int

    def process_options(self) -> dict[str, Any]:
        """Arguments for `subprocess` that start a program as this account."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_account(data: Path) -> Account:
    """The account for the server: ours, or for root the owner of the data, else an unprivileged one."""
    uid = os.geteuid()
    if uid != 0:
        return Account(str(uid), uid, os.getegid())
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(str(owner.st_uid), owner.st_uid, owner.st_gid)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise DirectoryUnusable(
        "Postgres refuses to run as root, and none of the accounts it could run as instead exists "
        f"({', '.join(UNPRIVILEGED)}). Create one (useradd --system postgres) or start as another user."
    )


def first_closed(path: Path, account: Account) -> Path | None:
    """The topmost part of an absolute path the account may not enter or run; None when all are open."""
    for part in (*reversed(path.parents), path):
        found = part.stat()
        if found.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif found.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not found.st_mode & needed:
            return part
    return None


def prepare_directory(directory: Path, mark: str, account: Account) -> None:
    """Make the directory, or check that it is ours to use: empty, or holding the file named `mark`.

    The directory stays with the caller (with root, when root starts it), so the server's account can
    plant nothing there for root to follow; only the data inside belongs to the server.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()) and not (directory / mark).exists():
            raise DirectoryUnusable(
                f"{directory} holds other files. Name an empty or a new directory for the database."
            )
        directory.chmod(0o700 if account.uid == os.geteuid() else 0o711)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise DirectoryUnusable(
            f"{directory} cannot be used for the database: {error.strerror}. Name a directory that "
            "belongs to you, or start as the user it belongs to."
        ) from error
    if closed := first_closed(directory, account):
        raise DirectoryUnusable(
            f"The database in {directory} runs as user {account.name}, who may not pass through {closed}. "
            f"Allow it (chmod o+x {closed}), name a directory elsewhere (/var/lib/magistrate), "
            "or do not start as root."
        )
