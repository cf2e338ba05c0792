"""The settings: read from the environment, checked before anything starts."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    PostgresDsn,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.keys.master import MasterKey

PREFIX = "MAGISTRATE_"
SECRET_BYTES = 32
"""A shorter secret could be guessed offline from one token."""

Environment = Literal["development", "staging", "production"]


class SettingsInvalid(Exception):
    """The settings do not allow a start; the message says for each one what to do."""


def default_data_dir() -> Path:
    """Where everything is kept that this machine must not lose."""
    if os.geteuid() == 0:
        return Path("/var/lib/magistrate")
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "magistrate"


class Settings(BaseSettings):
    """What can be set, as `MAGISTRATE_<NAME>`; the database also as plain `DATABASE_URL`.

    Times are in seconds, sizes in bytes. In development the master key is made once under `data_dir` and
    the token secret is derived from it; elsewhere both are given.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, populate_by_name=True)

    environment: Environment = "development"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8423
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    data_dir: Path = Field(default_factory=default_data_dir)

    database_url: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices("DATABASE_URL", f"{PREFIX}DATABASE_URL"))
    ] = None
    writer_url: SecretStr | None = None
    reader_url: SecretStr | None = None
    follower_url: SecretStr | None = None

    master_key: SecretStr | None = None
    master_key_file: Path | None = None

    hs256_secret: SecretStr | None = None
    jwks: str | None = None
    issuer: Annotated[str, Field(min_length=1, max_length=512)] = "magistrate"
    audience: Annotated[str, Field(min_length=1, max_length=512)] = "magistrate"

    law_bound_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    max_body_bytes: Annotated[int, Field(ge=1_024, le=64 * 1024 * 1024)] = 1024 * 1024
    request_deadline: Annotated[float, Field(gt=0, le=300)] = 10.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("database_url", "writer_url", "reader_url", "follower_url")
    @classmethod
    def _names_a_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_postgres(url.get_secret_value()):
            raise ValueError("give it as postgresql://user:password@host:port/database")
        return url

    @field_validator("master_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            MasterKey.from_text(key.get_secret_value())
        return key

    @field_validator("hs256_secret")
    @classmethod
    def _is_strong(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < SECRET_BYTES:
            raise ValueError(f"too weak: give at least {SECRET_BYTES} random bytes (openssl rand -base64 48)")
        return secret

    @field_validator("jwks")
    @classmethod
    def _is_there(cls, jwks: str | None) -> str | None:
        if jwks is None or urlsplit(jwks).scheme in {"http", "https"}:
            return jwks
        if not Path(jwks).is_file():
            raise ValueError(f"no file {jwks}: give a file or an http(s) address of a JSON Web Key Set")
        return jwks

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.master_key is not None and self.master_key_file is not None:
            raise ValueError(f"set either {PREFIX}MASTER_KEY or {PREFIX}MASTER_KEY_FILE, not both")
        if self.environment == "development":
            return self
        if self.master_key is None and self.master_key_file is None:
            raise ValueError(
                f"outside development set {PREFIX}MASTER_KEY or {PREFIX}MASTER_KEY_FILE: "
                "base64 of 32 bytes (openssl rand -base64 32)"
            )
        if self.hs256_secret is None and self.jwks is None:
            raise ValueError(f"outside development set {PREFIX}HS256_SECRET or {PREFIX}JWKS, or both")
        return self


def read_settings(**overrides: object) -> Settings:
    """The settings of this process; raises SettingsInvalid with a line for each thing to be changed."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        lines = [_line(detail["loc"], detail["msg"]) for detail in error.errors(include_input=False)]
        raise SettingsInvalid("\n".join(lines)) from None  # the cause would show the values


def _is_postgres(url: str) -> bool:
    try:
        TypeAdapter(PostgresDsn).validate_python(url)
    except ValidationError:
        return False
    return True


def _line(place: tuple[int | str, ...], message: str) -> str:
    said = message.removeprefix("Value error, ")
    if not place:
        return said
    name = str(place[0]).upper()
    return f"{name if name == 'DATABASE_URL' else PREFIX + name.removeprefix(PREFIX)}: {said}"
