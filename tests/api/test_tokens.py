"""Tokens: who is let in, and that forged, expired, foreign and unsigned ones are not."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import algorithms

from adapters.clock import FixedClock
from adapters.tokens.claims import TokenExpired, TokenInvalid
from adapters.tokens.issuing import Issuer
from adapters.tokens.keys import public_keys
from adapters.tokens.verifying import Verifier
from domain.kernel import Role
from tests.api.house import House

SECRET = b"s" * 48
NAMES = {"issuer": "me", "audience": "us", "environment": "staging"}
START = datetime(2026, 1, 1, tzinfo=UTC)


def verifier(clock: FixedClock, jwks: Path | None = None, secret: bytes | None = SECRET) -> Verifier:
    return Verifier(clock, **NAMES, secret=secret, keys=public_keys(str(jwks)) if jwks else None)


def claims(**other: object) -> dict[str, Any]:
    now = int(START.timestamp())
    plain = {"sub": "ada", "tenant": "acme", "iss": "me", "aud": "us", "iat": now, "exp": now + 60}
    return {k: v for k, v in {**plain, "jti": "t1", "env": "staging", **other}.items() if v is not None}


def unsigned(told: Mapping[str, Any]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, told)
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
        + "."
    )


async def test_an_issued_token_names_its_bearer() -> None:
    clock = FixedClock(START)
    token = Issuer(clock, **NAMES, secret=SECRET).issue("ada", "acme", roles=[Role.ADMIN], on_behalf_of="eve")
    told = await verifier(clock).verify(token)
    assert (told.principal, told.tenant, told.roles, told.behalf) == ("ada", "acme", (Role.ADMIN,), "eve")


async def test_a_token_expires_also_where_it_was_seen_before() -> None:
    clock = FixedClock(START)
    token = Issuer(clock, **NAMES, secret=SECRET).issue("ada", "acme", lifetime=timedelta(seconds=30))
    checks = verifier(clock)
    await checks.verify(token)
    clock.advance(timedelta(seconds=30))
    with pytest.raises(TokenExpired):
        await checks.verify(token)
    with pytest.raises(TokenExpired):
        await verifier(clock).verify(token)


async def test_an_actor_is_the_principal_and_acts_for_the_subject() -> None:
    token = jwt.encode(claims(act={"sub": "robot"}), SECRET, algorithm="HS256")
    told = await verifier(FixedClock(START)).verify(token)
    assert (told.principal, told.behalf) == ("robot", "ada")


@pytest.mark.parametrize(
    "other",
    [
        {"iss": "somebody"},
        {"aud": "others"},
        {"env": "production"},
        {"sub": None},
        {"tenant": None},
        {"jti": None},
        {"exp": None},
        {"iat": None},
        {"env": None},
        {"sub": "a/b"},
        {"tenant": "../acme"},
        {"roles": ["emperor"]},
        {"roles": "admin"},
        {"exp": "2099"},
        {"iat": int(START.timestamp()) + 3600},
        {"nbf": int(START.timestamp()) + 3600},
        {"act": {"sub": "robot"}, "on_behalf_of": "eve"},
    ],
    ids=str,
)
async def test_a_token_that_says_something_else_is_invalid(other: dict[str, Any]) -> None:
    token = jwt.encode(claims(**other), SECRET, algorithm="HS256")
    with pytest.raises(TokenInvalid):
        await verifier(FixedClock(START)).verify(token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "." * 5, "x" * 10_000, unsigned(claims())])
async def test_what_is_no_signed_token_is_invalid(token: str) -> None:
    with pytest.raises(TokenInvalid):
        await verifier(FixedClock(START)).verify(token)


async def test_another_secret_does_not_sign_for_us() -> None:
    with pytest.raises(TokenInvalid):
        await verifier(FixedClock(START)).verify(jwt.encode(claims(), b"o" * 48, algorithm="HS256"))


async def test_a_longer_hash_of_the_same_secret_is_not_ours() -> None:
    with pytest.raises(TokenInvalid):
        await verifier(FixedClock(START)).verify(jwt.encode(claims(), b"s" * 64, algorithm="HS512"))


def key_set(path: Path, **keys: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Path:
    listed = []
    for kid, key in keys.items():
        if isinstance(key, rsa.RSAPrivateKey):
            jwk, name = algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "RS256"
        else:
            jwk, name = algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "ES256"
        listed.append({**jwk, "kid": kid, "alg": name, "use": "sig"})
    path.write_text(json.dumps({"keys": listed}))
    return path


async def test_published_keys_verify_what_their_owner_signed(tmp_path: Path) -> None:
    curve, pair = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    checks = verifier(FixedClock(START), key_set(tmp_path / "jwks.json", one=curve, two=pair), secret=None)
    by_curve = jwt.encode(claims(), curve, algorithm="ES256", headers={"kid": "one"})
    by_pair = jwt.encode(claims(jti="t2"), pair, algorithm="RS256", headers={"kid": "two"})
    assert (await checks.verify(by_curve)).principal == "ada"
    assert (await checks.verify(by_pair)).principal == "ada"


async def test_a_public_key_is_never_taken_for_a_secret(tmp_path: Path) -> None:
    pair = rsa.generate_private_key(65537, 2048)
    checks = verifier(FixedClock(START), key_set(tmp_path / "jwks.json", two=pair), secret=None)
    public = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"two"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=")
    signature = algorithms.HMACAlgorithm(algorithms.HMACAlgorithm.SHA256).sign(header + b"." + body, public)
    forged = b".".join([header, body, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
    with pytest.raises(TokenInvalid):
        await checks.verify(forged)


async def test_a_key_of_another_kind_or_name_does_not_do(tmp_path: Path) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    checks = verifier(FixedClock(START), key_set(tmp_path / "jwks.json", one=curve))
    other = jwt.encode(
        claims(), ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": "one"}
    )
    stranger = jwt.encode(claims(), curve, algorithm="ES256", headers={"kid": "nobody"})
    for token in (other, stranger):
        with pytest.raises(TokenInvalid):
            await checks.verify(token)


async def test_a_replaced_key_file_is_read_again(tmp_path: Path) -> None:
    old, new = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    path = key_set(tmp_path / "jwks.json", old=old)
    checks = verifier(FixedClock(START), path)
    key_set(path, old=old, new=new)
    token = jwt.encode(claims(), new, algorithm="ES256", headers={"kid": "new"})
    assert (await checks.verify(token)).principal == "ada"


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic YWRhOng=", f"Bearer {unsigned(claims())}", "Bearer é"],
)
async def test_without_a_valid_token_nobody_is_let_in(house: House, authorization: str | None) -> None:
    headers = {b"Authorization": authorization.encode()} if authorization is not None else {}
    for method, path in (("GET", "/v1/tenant"), ("POST", "/v1/runs"), ("POST", "/v1/runs/r1/tool-calls")):
        answer = await house.http.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["type"] == "/problems/token-invalid"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_token_can_narrow_roles_but_never_widen_them(house: House) -> None:
    await house.run()
    narrow = house.token("ada", roles=[Role.AUDITOR])
    wide = house.token("nobody", roles=[Role.ADMIN])
    for token in (narrow, wide):
        headers = {"Authorization": f"Bearer {token}"}
        answer = await house.http.post("/v1/tenant/teams", json={"team": "t"}, headers=headers)
        assert answer.status_code == 403, answer.text
        assert answer.json()["type"] == "/problems/forbidden"
