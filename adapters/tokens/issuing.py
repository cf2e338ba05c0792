"""Issuing tokens, for installations without an identity provider of their own."""

from collections.abc import Iterable
from datetime import timedelta

import jwt

from application.ports import Clock
from domain.kernel import Role


class Issuer:
    """Signs tokens with the environment's secret."""

    def __init__(self, clock: Clock, *, issuer: str, audience: str, environment: str, secret: bytes) -> None:
        self._clock, self._issuer, self._audience = clock, issuer, audience
        self._environment, self._secret = environment, secret

    def issue(
        self,
        principal: str,
        tenant: str,
        *,
        lifetime: timedelta = timedelta(hours=1),
        roles: Iterable[Role] | None = None,
        on_behalf_of: str | None = None,
    ) -> str:
        """A token for a principal of a tenant; `roles` narrow what the tenant's registry grants."""
        now = int(self._clock.now().timestamp())
        claims: dict[str, object] = {
            "sub": principal,
            "tenant": tenant,
            "iss": self._issuer,
            "aud": self._audience,
            "iat": now,
            "exp": now + int(lifetime.total_seconds()),
            "jti": self._clock.new_id(),
            "env": self._environment,
        }
        if roles is not None:
            claims["roles"] = sorted(role.value for role in roles)
        if on_behalf_of is not None:
            claims["on_behalf_of"] = on_behalf_of
        return jwt.encode(claims, self._secret, algorithm="HS256")
