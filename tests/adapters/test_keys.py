"""The master key: read strictly, never shown, and one key for each purpose."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.keys.master import MasterKey, MasterKeyUnusable, WrongMasterKey

KEY = bytes(range(200, 232))


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_it_is_read_from_base64(encode: Callable[[bytes], bytes], tmp_path: Path) -> None:
    text = encode(KEY).decode()
    (tmp_path / "key").write_text(text + "\n")
    expected = MasterKey(KEY).derive("x")
    assert MasterKey.from_text(f" {text}\n").derive("x") == expected
    assert MasterKey.from_file(tmp_path / "key").derive("x") == expected


@pytest.mark.parametrize("text", ["", "secret", "c2hvcnQ=", "ÄÖÜ", base64.b64encode(KEY + b"x").decode()])
def test_anything_else_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(MasterKeyUnusable, match="32 bytes") as refused:
        MasterKey.from_text(text)
    assert not text or text not in str(refused.value)


def test_it_is_not_shown() -> None:
    assert repr(MasterKey(KEY)) == "MasterKey(...)"


def test_each_purpose_has_a_key_of_its_own() -> None:
    assert (
        len({MasterKey(KEY).derive(label) for label in ("a", "b")} | {MasterKey(bytes(32)).derive("a")}) == 3
    )
    assert MasterKey.fresh().derive("a") != MasterKey.fresh().derive("a")


def test_a_wrapped_key_opens_with_the_same_master_key_only() -> None:
    wrapped = MasterKey(KEY).wrap(b"k" * 32)
    assert MasterKey(KEY).unwrap(wrapped) == b"k" * 32
    with pytest.raises(WrongMasterKey):
        MasterKey(bytes(32)).unwrap(wrapped)
    with pytest.raises(WrongMasterKey):
        MasterKey(KEY).unwrap(wrapped[:-1] + b"x")


def test_a_pseudonym_tells_nothing_and_is_stable() -> None:
    key = MasterKey(KEY)
    assert key.pseudonym("acme", "jo") == MasterKey(KEY).pseudonym("acme", "jo")
    assert len({key.pseudonym(*pair) for pair in (("acme", "jo"), ("other", "jo"), ("ac", "mejo"))}) == 3
    assert key.pseudonym("acme", "jo") != MasterKey(bytes(32)).pseudonym("acme", "jo")
