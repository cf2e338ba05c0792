"""What a token says of its bearer, once its signature was verified."""

from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from domain.kernel import Id, Rejected, Role


class TokenInvalid(Rejected):
    """The request carries no valid bearer token."""

    kind = "unauthenticated"


class TokenExpired(Rejected):
    """The bearer token has expired. Get a new one."""

    kind = "unauthenticated"


class KeysUnavailable(Rejected):
    """The issuer's public keys cannot be fetched just now, so the token cannot be checked."""

    kind = "unavailable"


def _whole(moment: object) -> object:
    return int(moment) if isinstance(moment, float) and 0 <= moment < 2**53 else moment


Seconds = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=2**53)]
"""Seconds since 1970, UTC; an issuer may write them with a fraction."""


class Actor(BaseModel):
    """Who acts for the token's subject (RFC 8693, section 4.1)."""

    model_config = ConfigDict(frozen=True, strict=True)

    sub: Id


class Claims(BaseModel):
    """A verified token. What else an issuer writes into its tokens is passed over.

    `roles` can only narrow what the tenant's registry grants. With `act`, the actor is the principal, and it
    acts on behalf of the subject.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    sub: Id
    tenant: Id
    iss: str
    jti: Id
    env: str
    iat: Seconds
    exp: Seconds
    nbf: Seconds = 0
    roles: tuple[Role, ...] | None = None
    on_behalf_of: Id | None = None
    act: Actor | None = None

    @model_validator(mode="after")
    def _names_one_principal(self) -> Self:
        if self.act is not None and self.on_behalf_of is not None:
            raise ValueError("a token says on whose behalf it is used once, not twice")
        return self

    @property
    def principal(self) -> str:
        """Who acts."""
        return self.act.sub if self.act else self.sub

    @property
    def behalf(self) -> str | None:
        """For whom, if not for itself."""
        return self.sub if self.act else self.on_behalf_of
