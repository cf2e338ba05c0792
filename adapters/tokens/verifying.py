"""Verifying tokens: signature, issuer, audience, environment and time; verified claims are remembered."""

import hashlib
from datetime import datetime

import jwt
import orjson
from cachetools import LRUCache
from jwt.types import Options
from pydantic import ValidationError

from adapters.tokens.claims import Claims, TokenExpired, TokenInvalid
from adapters.tokens.keys import PublicKeys
from application.ports import Clock

SECRET, PUBLIC = "HS256", frozenset({"RS256", "ES256", "EdDSA"})
LONGEST = 8_192
REMEMBERED = 10_000
SKEW = 60
"""Seconds by which an issuer's clock may be ahead of ours."""

REQUIRED = ("sub", "tenant", "iss", "aud", "exp", "iat", "jti", "env")
OPTIONS: Options = {
    "require": list(REQUIRED),
    # Our own clock judges these: it is the one that tests and decisions go by.
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class Verifier:
    """Turns a token into claims, or refuses it without telling an attacker why."""

    def __init__(
        self,
        clock: Clock,
        *,
        issuer: str,
        audience: str,
        environment: str,
        secret: bytes | None,
        keys: PublicKeys | None,
    ) -> None:
        """`secret` verifies HS256 only and `keys` the asymmetric algorithms only: neither stands in."""
        self._clock, self._issuer, self._audience = clock, issuer, audience
        self._environment, self._secret, self._keys = environment, secret, keys
        self._known: LRUCache[bytes, Claims] = LRUCache(maxsize=REMEMBERED)

    async def verify(self, token: str) -> Claims:
        """The claims of a valid token. Raises TokenInvalid, TokenExpired, KeysUnavailable."""
        digest = hashlib.sha256(token.encode("latin-1", "replace")).digest()
        claims = self._known.get(digest)
        if claims is None:
            claims = await self._decode(token)
            _must_be_in_time(claims, self._clock.now())
            self._known[digest] = claims
        elif claims.exp <= self._clock.now().timestamp():
            raise TokenExpired
        return claims

    async def _decode(self, token: str) -> Claims:
        if len(token) > LONGEST:
            raise TokenInvalid
        try:
            key, algorithm = await self._key_for(jwt.get_unverified_header(token))
            told = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options=OPTIONS,
            )
            claims = Claims.model_validate_json(orjson.dumps(told))
        except (jwt.PyJWTError, ValidationError, ValueError, TypeError, RecursionError):
            raise TokenInvalid from None
        if claims.env != self._environment:
            raise TokenInvalid
        return claims

    async def _key_for(self, header: dict[str, object]) -> tuple[jwt.PyJWK | bytes, str]:
        """The key that goes with the stated algorithm; a header never chooses between secret and public."""
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm == SECRET and self._secret is not None:
            return self._secret, SECRET
        if isinstance(algorithm, str) and algorithm in PUBLIC and self._keys is not None:
            key = await self._keys.named(kid if isinstance(kid, str) else None)
            if key is not None and key.algorithm_name == algorithm:
                return key, algorithm
        raise TokenInvalid


def _must_be_in_time(claims: Claims, now: datetime) -> None:
    seconds = now.timestamp()
    if claims.exp <= seconds:
        raise TokenExpired
    if claims.iat > seconds + SKEW or claims.nbf > seconds + SKEW:
        raise TokenInvalid
