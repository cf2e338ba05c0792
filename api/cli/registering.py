"""Registering agents, tools and policies from files, so that asking again changes nothing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from api.cli.client import Client, Refused
from api.cli.failures import Failure
from api.importing.values import is_record, is_sequence
from domain.kernel import Json

Registration = Mapping[str, Json]

NOT_FOUND, CONFLICT = 404, 409
DISCIPLINE = "imported"
"""That of agents which nobody registered before their runs were imported."""


def read_registrations(path: Path, key: str) -> list[Registration]:
    """A file's registrations, each with its name under `key`. Raises Failure with what is wrong."""
    try:
        told: Json = json.loads(path.read_text())
    except ValueError as error:
        raise Failure(f"{path} is not JSON: {error}") from None
    if not is_sequence(told):
        raise Failure(f"{path} must hold a list of registrations")
    read: list[Registration] = []
    for number, one in enumerate(told, start=1):
        if not is_record(one) or not isinstance(one.get(key), str):
            raise Failure(f"{path}: registration {number} has no {key!r}")
        read.append(one)
    return read


async def register_tools(client: Client, tools: Iterable[Registration]) -> None:
    """Registers tools; one that stands with other particulars gets these."""
    for tool in tools:
        name = str(tool["name"])
        registration = {field: value for field, value in tool.items() if field != "name"}
        await _stand(client, f"/v1/tools/{name}", {"name": name, "registration": registration}, registration)


async def register_agents(client: Client, agents: Iterable[Registration], *, owner: str) -> None:
    """Registers agents; one without an owner belongs to `owner`."""
    for agent in agents:
        whole = {"owner": owner, **agent}
        particulars = {field: value for field, value in whole.items() if field != "agent_id"}
        await _stand(client, f"/v1/agents/{agent['agent_id']}", whole, particulars)


async def register_missing_agents(client: Client, agents: Sequence[str], *, owner: str) -> None:
    """Registers those that nobody knows, so that their recorded runs can be decided at all."""
    for agent in agents:
        try:
            await client.get(f"/v1/agents/{agent}")
        except Refused as no:
            if no.status != NOT_FOUND:
                raise
            unknown = {"agent_id": agent, "discipline": DISCIPLINE, "model": "unknown", "owner": owner}
            await client.post("/v1/agents", unknown)


async def activate_policies(client: Client, text: str) -> str:
    """Puts a policy text in force; returns its digest. Raises Failure with every fault of the text."""
    try:
        drafted = await client.post("/v1/policy-sets", {"text": text})
        digest = str(drafted.body["digest"])
        await client.post(f"/v1/policy-sets/{digest}/activate")
    except Refused as no:
        faults = cast("list[dict[str, Any]]", no.problem.get("errors") or [])
        lines = [
            f"  line {one.get('line', '?')}, {one.get('policy') or 'no id'}: {one.get('message')}"
            for one in faults
        ]
        raise Failure("\n".join([f"the policies were refused: {no}", *lines])) from None
    return digest


async def _stand(client: Client, address: str, whole: Registration, particulars: Registration) -> None:
    kind, _, name = address.rpartition("/")
    try:
        try:
            await client.post(kind, whole)
        except Refused as no:
            if no.status != CONFLICT:
                raise
            standing = await client.get(address)
            await client.put(address, particulars, {"If-Match": standing.etag or "*"})
    except Refused as no:
        raise _invalid(name, no) from None


def _invalid(name: str, no: Refused) -> Exception:
    faults = cast("list[dict[str, Any]]", no.problem.get("errors") or [])
    if not faults:
        return no
    lines = [f"  {one.get('place', one.get('pointer', ''))}: {one.get('message')}" for one in faults]
    return Failure("\n".join([f"{name} was refused: {no}", *lines]))
