"""Who is calling: a verified token, and the roles the tenant's registry grants at this moment."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from adapters.tokens.claims import Claims, TokenInvalid
from adapters.tokens.verifying import Verifier
from application.access import Caller, Forbidden
from application.law import LawBook, TenantLaw

T = TypeVar("T")

_BEARER = b"bearer "


async def verified(verifier: Verifier, authorization: bytes | None) -> Claims:
    """The claims of the request's bearer token. Raises TokenInvalid, TokenExpired, KeysUnavailable."""
    if authorization is None or authorization[:7].lower() != _BEARER:
        raise TokenInvalid
    return await verifier.verify(authorization[7:].decode("latin-1"))


def caller_of(claims: Claims, law: TenantLaw) -> Caller:
    """The principal with its present roles; the token's own list only narrows them."""
    roles = law.roles_of(claims.principal)
    if claims.roles is not None:
        roles &= frozenset(claims.roles)
    return Caller(
        claims.tenant,
        claims.principal,
        roles,
        {"iss": claims.iss, "jti": claims.jti, "iat": claims.iat},
        claims.behalf,
    )


async def heard(book: LawBook, claims: Claims, act: Callable[[Caller], Awaitable[T]]) -> T:
    """Acts for the caller; where its roles forbid it, once more if the log knows of newer ones.

    Raises LawBehind, and whatever `act` raises.
    """
    caller = caller_of(claims, book.of(claims.tenant))
    try:
        return await act(caller)
    except Forbidden:
        await book.refresh(claims.tenant)
        again = caller_of(claims, book.of(claims.tenant))
        if again.roles == caller.roles:
            raise
        return await act(again)
