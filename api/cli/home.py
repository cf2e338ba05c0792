"""This machine's installation: where its server is, and tokens signed with its own secret."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from adapters.clock import SystemClock
from adapters.tokens.issuing import Issuer
from api.cli.client import Client
from api.cli.failures import Failure
from api.keyring import KEY_FILE, master_key, token_secret
from api.settings import Settings, read_settings
from domain.kernel import Role

URL, TOKEN = "MAGISTRATE_URL", "MAGISTRATE_TOKEN"
START = (
    "Start one on this machine with `magistrate up`, or name a running one: MAGISTRATE_URL=http://host:port"
)

OWN_LIFETIME = timedelta(minutes=15)
"""For how long the tokens are good that the commands make for themselves."""


@dataclass(frozen=True)
class FirstTenant:
    """The tenant that the first start founded, and its admin."""

    tenant: str
    admin: str


@dataclass(frozen=True)
class Home:
    """An installation's data directory and settings."""

    settings: Settings

    @classmethod
    def here(cls) -> Self:
        """As the environment says. Raises SettingsInvalid."""
        return cls(read_settings())

    @property
    def directory(self) -> Path:
        """Where everything is kept that this machine must not lose."""
        return self.settings.data_dir

    def first_tenant(self) -> FirstTenant:
        """Raises Failure where nothing was ever started."""
        known = self.known_first_tenant()
        if known is None:
            raise Failure(f"no tenant was founded in {self.directory} yet", START)
        return known

    def known_first_tenant(self) -> FirstTenant | None:
        """None where nothing was ever started."""
        told = self._read("first-tenant.json")
        return FirstTenant(told["tenant"], told["admin"]) if told else None

    def remember_first_tenant(self, first: FirstTenant) -> None:
        """Kept beside the data; it is no secret."""
        self._write("first-tenant.json", {"tenant": first.tenant, "admin": first.admin})

    def address(self) -> str | None:
        """Where the server that was started last listens, if it has not said goodbye."""
        told = self._read("server.json")
        return told["address"] if told else None

    def remember_address(self, address: str) -> None:
        """For the commands that look for a server."""
        self._write("server.json", {"address": address})

    def forget_address(self, address: str) -> None:
        """Unless another server has taken over meanwhile."""
        if self.address() == address:
            (self.directory / "server.json").unlink(missing_ok=True)

    def token(
        self, tenant: str, principal: str, *, roles: Iterable[Role] | None = None, lifetime: timedelta
    ) -> str:
        """A token of this installation. Raises Failure where it has no secret to sign with."""
        settings = self.settings
        key_at_hand = settings.master_key or settings.master_key_file or (self.directory / KEY_FILE).exists()
        if settings.hs256_secret is None and not key_at_hand:
            raise Failure(f"there is no installation in {self.directory}, so no secret to sign with", START)
        secret = token_secret(settings, master_key(settings))
        if secret is None:
            raise Failure(
                "outside development, tokens come from your identity provider",
                "Set MAGISTRATE_HS256_SECRET if this installation is to issue its own.",
            )
        issuer = Issuer(
            SystemClock(),
            issuer=settings.issuer,
            audience=settings.audience,
            environment=settings.environment,
            secret=secret,
        )
        return issuer.issue(principal, tenant, roles=roles, lifetime=lifetime)

    def _read(self, name: str) -> dict[str, str] | None:
        try:
            told: dict[str, str] = json.loads((self.directory / name).read_text())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return told

    def _write(self, name: str, value: dict[str, str]) -> None:
        fresh = self.directory / f"{name}.new"
        fresh.write_text(json.dumps(value) + "\n")
        fresh.replace(self.directory / name)


def client_of(*, tenant: str | None = None, callers: int = 1) -> Client:
    """A client as the environment says, else of this machine's own server with a token of its own.

    Raises Failure where neither is there.
    """
    given_address, given_token = os.environ.get(URL), os.environ.get(TOKEN)
    home = Home.here()
    address = given_address or home.address() or f"http://{home.settings.host}:{home.settings.port}"
    if given_token and tenant is None:
        return Client(address, lambda: given_token, callers=callers)
    if given_address and not (home.directory / KEY_FILE).exists() and home.settings.hs256_secret is None:
        raise Failure(f"{URL} is set but {TOKEN} is not", "Get a token there, and set it.")
    first = home.first_tenant()
    whose = tenant or first.tenant
    own = home.token(whose, first.admin, lifetime=OWN_LIFETIME)  # fails here rather than at the first request
    tokens = _Renewed(home, whose, first.admin, own)
    return Client(address, tokens.now, callers=callers)


class _Renewed:
    """A token that is made anew before it runs out, for commands that take long."""

    def __init__(self, home: Home, tenant: str, principal: str, token: str) -> None:
        self._home, self._tenant, self._principal, self._token = home, tenant, principal, token
        self._clock = SystemClock()
        self._made = self._clock.now()

    def now(self) -> str:
        """A token that is good for some minutes."""
        if self._clock.now() - self._made > OWN_LIFETIME / 2:
            self._made = self._clock.now()
            self._token = self._home.token(self._tenant, self._principal, lifetime=OWN_LIFETIME)
        return self._token
