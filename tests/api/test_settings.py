"""Settings: checked before anything starts, with errors that say what to do and show no secret."""

import base64
import stat
from pathlib import Path

import pytest

from api.keyring import master_key, role_passwords, role_url, token_secret
from api.settings import Settings, SettingsInvalid, read_settings

KEY = base64.b64encode(b"k" * 32).decode()
SECRET = "swordfish" * 4


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("MAGISTRATE_DATA_DIR", str(tmp_path))


def test_by_default_it_listens_on_this_machine_only() -> None:
    settings = read_settings()
    assert (settings.host, settings.port, settings.environment) == ("127.0.0.1", 8423, "development")


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGISTRATE_PORT", "9000")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:swordfish@host:1/d")
    settings = read_settings()
    assert settings.port == 9000
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:swordfish@host:1/d"
    assert "swordfish" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"port": 70_000}, "MAGISTRATE_PORT"),
        ({"master_key": "c2hvcnQ="}, "32 bytes"),
        ({"master_key": "%%%"}, "openssl rand -base64 32"),
        ({"hs256_secret": "short"}, "at least 32"),
        ({"jwks": "/nowhere/keys.json"}, "no file"),
        ({"writer_url": "mysql://x"}, "MAGISTRATE_WRITER_URL"),
        ({"law_bound_seconds": 0}, "MAGISTRATE_LAW_BOUND_SECONDS"),
        ({"environment": "production"}, "MAGISTRATE_MASTER_KEY"),
        ({"environment": "staging", "master_key": KEY}, "MAGISTRATE_HS256_SECRET"),
        ({"environment": "moon"}, "MAGISTRATE_ENVIRONMENT"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_with_what_to_do(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsInvalid, match=said):
        read_settings(**given)


def test_no_error_shows_a_secret() -> None:
    with pytest.raises(SettingsInvalid) as told:
        read_settings(
            hs256_secret="swordfish", master_key="swordfish", database_url="mysql://u:swordfish@h/d"
        )
    assert "swordfish" not in str(told.value)
    assert told.value.__cause__ is None


def test_production_starts_with_a_key_and_a_secret() -> None:
    settings = read_settings(environment="production", master_key=KEY, hs256_secret=SECRET)
    assert token_secret(settings, master_key(settings)) == SECRET.encode()


def test_development_makes_its_key_once_and_keeps_it_to_itself(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first = role_passwords(master_key(settings))
    assert role_passwords(master_key(settings)) == first
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600
    assert len(token_secret(settings, master_key(settings)) or b"") == 32


def test_a_key_file_that_holds_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("nothing")
    with pytest.raises(SettingsInvalid, match="MASTER_KEY_FILE"):
        master_key(Settings(master_key_file=tmp_path / "key"))


def test_service_roles_log_in_with_passwords_of_their_own(tmp_path: Path) -> None:
    master = master_key(Settings(data_dir=tmp_path))
    url = role_url("postgresql://owner:secret@db:5432/magistrate?sslmode=require", "writer", master)
    assert url.startswith("postgresql://magistrate_writer:")
    assert url.endswith("@db:5432/magistrate?sslmode=require")
    assert "secret" not in url
    assert len(set(role_passwords(master).values())) == 3
