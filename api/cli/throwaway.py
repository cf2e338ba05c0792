"""A server with a database of its own in a temporary folder: for the demo, and for benchmarks."""

import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from api.cli.home import FirstTenant, Home
from api.cli.machine import machine
from api.logs import configure
from api.settings import Settings

LIFETIME = timedelta(hours=12)


@dataclass(frozen=True)
class Throwaway:
    """Where it serves, and tokens for whoever is to talk to it."""

    address: str
    home: Home

    def tokens(self, tenant: str, principal: str) -> Callable[[], str]:
        """A token of a principal, for a client."""
        token = self.home.token(tenant, principal, lifetime=LIFETIME)
        return lambda: token


@asynccontextmanager
async def throwaway(*, tenant: str, admin: str, zone: str = "UTC") -> AsyncGenerator[Throwaway]:
    """Inside, it serves on a free port of loopback; afterwards nothing of it is left."""
    configure("error")
    with _folder() as folder:
        home = Home(_settings(folder))
        async with machine(home, FirstTenant(tenant, admin), zone=zone) as running:
            yield Throwaway(running.address, home)


@contextmanager
def _folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="magistrate-"))
    # The database may run under another account, which must be able to pass through.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settings(folder: Path) -> Settings:
    """The defaults, on our own database: neither the environment nor a file has a say."""
    untouched = {
        name: field.get_default(call_default_factory=True) for name, field in Settings.model_fields.items()
    }
    return Settings.model_construct(None, **{**untouched, "data_dir": folder, "port": 0})
