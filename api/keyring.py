"""What the master key gives: the token secret of a development machine, and the database's passwords."""

import os
import tempfile
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from adapters.keys.master import MasterKey, MasterKeyUnusable
from api.settings import PREFIX, Settings, SettingsInvalid

ROLES = ("writer", "follower", "reader")
ROLE_PREFIX = "magistrate_"
KEY_FILE = "master.key"


def master_key(settings: Settings) -> MasterKey:
    """The key of the settings; in development it is made once and kept under the data directory.

    Raises SettingsInvalid.
    """
    if settings.master_key is not None:
        return MasterKey.from_text(settings.master_key.get_secret_value())
    path = settings.master_key_file or settings.data_dir / KEY_FILE
    try:
        if settings.master_key_file is None and not path.exists():
            _make(path)
        return MasterKey.from_file(path)
    except (OSError, MasterKeyUnusable) as error:
        raise SettingsInvalid(f"{PREFIX}MASTER_KEY_FILE: {path} holds no usable key: {error}") from None


def token_secret(settings: Settings, master: MasterKey) -> bytes | None:
    """What HS256 tokens are signed with; outside development None unless it is set."""
    if settings.hs256_secret is not None:
        return settings.hs256_secret.get_secret_value().encode()
    return master.derive("token secret development") if settings.environment == "development" else None


def role_passwords(master: MasterKey) -> dict[str, str]:
    """The passwords of the database's service roles, by role."""
    names = [ROLE_PREFIX + role for role in ROLES]
    return {name: master.derive(f"postgres role {name}").hex() for name in names}


def role_url(owner_url: str, role: str, master: MasterKey, given: SecretStr | None = None) -> str:
    """The address at which a service role finds the owner's database; `given` overrides it."""
    if given is not None:
        return given.get_secret_value()
    name = ROLE_PREFIX + role
    parts = urlsplit(owner_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(name)}:{role_passwords(master)[name]}@{host}"))


def _make(path: Path) -> None:
    """Of two processes that start at once, one makes the key and both use it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.") as fresh:
        fresh.write(MasterKey.fresh_text() + "\n")
        fresh.flush()
        os.fsync(fresh.fileno())
        try:
            path.hardlink_to(fresh.name)
        except FileExistsError:
            return
