"""The master key: 32 bytes from the settings; other keys are derived from it or wrapped under it."""

import base64
import binascii
import hmac
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

SIZE = 32


class MasterKeyUnusable(ValueError):
    """The master key must be 32 bytes, given as base64; make one with `openssl rand -base64 32`."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class WrongMasterKey(Exception):
    """A stored key does not open with this master key: it was wrapped under another, or changed."""


class MasterKey:
    """Derives keys by label (HKDF, RFC 5869), wraps keys (AES-KW, RFC 3394) and makes pseudonyms."""

    def __init__(self, key: bytes) -> None:
        if len(key) != SIZE:
            raise MasterKeyUnusable
        self._key = key
        self._derived: dict[str, bytes] = {}

    @classmethod
    def from_text(cls, text: str) -> Self:
        """A key from base64, standard or URL-safe. Raises MasterKeyUnusable, which does not quote it."""
        try:
            key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
        except (binascii.Error, ValueError):
            raise MasterKeyUnusable from None
        return cls(key)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """A key from a file that holds base64."""
        return cls.from_text(path.read_text(encoding="ascii", errors="replace"))

    @classmethod
    def fresh(cls) -> Self:
        """A random key."""
        return cls(secrets.token_bytes(SIZE))

    @staticmethod
    def fresh_text() -> str:
        """A random key's base64, as `from_text` reads it."""
        return base64.b64encode(secrets.token_bytes(SIZE)).decode()

    def derive(self, label: str) -> bytes:
        """32 bytes for one purpose; another label gives an unrelated key."""
        if label not in self._derived:
            info = f"magistrate:{label}".encode()
            self._derived[label] = HKDF(SHA256(), SIZE, salt=None, info=info).derive(self._key)
        return self._derived[label]

    def wrap(self, key: bytes) -> bytes:
        """A key in a form that may be stored."""
        return aes_key_wrap(self.derive("subject-keys:wrap:v1"), key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key that was wrapped. Raises WrongMasterKey."""
        try:
            return aes_key_unwrap(self.derive("subject-keys:wrap:v1"), wrapped)
        except InvalidUnwrap as error:
            raise WrongMasterKey from error

    def pseudonym(self, tenant: str, subject: str) -> str:
        """What stands for a data subject in the database: nobody without the master key can tell whom."""
        message = f"{len(tenant.encode())}:{tenant}{subject}".encode()
        return hmac.new(self.derive("subject-keys:pseudonym:v1"), message, sha256).hexdigest()

    def __repr__(self) -> str:
        return "MasterKey(...)"
