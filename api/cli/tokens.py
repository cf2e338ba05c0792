"""`magistrate token`: tokens for people and agents of an installation without an identity provider."""

import re
from collections.abc import Sequence
from datetime import timedelta

import typer

from api.cli.home import Home
from api.cli.output import write_json
from domain.kernel import Role

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
LONGEST = timedelta(days=366)


def issue(
    *, tenant: str | None, principal: str | None, roles: Sequence[str] | None, lasts: str, as_json: bool
) -> None:
    """Writes a token, and nothing else, so that a shell can take it as it is."""
    home = Home.here()
    first = home.first_tenant() if tenant is None or principal is None else None
    whose = tenant or first.tenant if first else str(tenant)
    who = principal or first.admin if first else str(principal)
    token = home.token(whose, who, roles=_roles(roles), lifetime=lifetime(lasts))
    if as_json:
        write_json(
            {"token": token, "tenant": whose, "sub": who, "seconds": int(lifetime(lasts).total_seconds())}
        )
    else:
        typer.echo(token)


def lifetime(lasts: str) -> timedelta:
    """A duration such as `90s`, `30m`, `12h` or `7d`."""
    match = re.fullmatch(r"([0-9]{1,7})([smhd])", lasts.strip())
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 1 <= seconds <= LONGEST.total_seconds():
        raise typer.BadParameter(
            "say how long in the form 90s, 30m, 12h or 7d, at most 366d", param_hint="--for"
        )
    return timedelta(seconds=seconds)


def _roles(given: Sequence[str] | None) -> list[Role] | None:
    if not given:
        return None
    known = [role.value for role in Role]
    for role in given:
        if role not in known:
            raise typer.BadParameter(f"{role!r} is none of {', '.join(known)}", param_hint="--role")
    return [Role(role) for role in given]
