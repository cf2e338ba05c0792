"""A caller over HTTP that costs little: one connection kept open, made again when it breaks."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

PATIENCE = 20.0
PAUSE = 0.05

Body = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What came back. `headers` are by name in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.content)

    @property
    def problem(self) -> str:
        """The type of the problem."""
        return str(self.body["type"])


class Caller:
    """Asks one thing after another. Raises OSError when the connection breaks before the answer is there."""

    def __init__(self, address: str, token: str) -> None:
        place = urlsplit(address)
        assert place.hostname is not None
        assert place.port is not None
        self._host, self._port, self._token = place.hostname, place.port, token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: Body | None = None, **headers: str) -> Reply:
        """The answer to one request; names of `headers` have underscores."""
        kept_open = self._streams is not None
        try:
            return await self._asked(method, path, body, headers)
        except (ConnectionError, EOFError) as broken:
            await self.hang_up()
            if not kept_open:
                raise ConnectionError(str(broken)) from None
        # A server hangs up on who was silent for long: that says nothing of this request.
        return await self.ask(method, path, body, **headers)

    async def _asked(self, method: str, path: str, body: Body | None, headers: Mapping[str, str]) -> Reply:
        try:
            async with asyncio.timeout(PATIENCE):
                reader = await self._send(method, path, body, headers)
                status, told = await _head(reader)
                return Reply(status, told, await reader.readexactly(int(told["content-length"])))
        except TimeoutError:
            await self.hang_up()
            raise

    async def answered(self, method: str, path: str, body: Body | None = None, **headers: str) -> Reply:
        """The same request again and again until the service is there to answer it."""
        while True:
            try:
                reply = await self.ask(method, path, body, **headers)
            except OSError:
                await asyncio.sleep(PAUSE)
                continue
            if reply.status != 503:
                return reply
            assert int(reply.headers["retry-after"]) >= 1
            await asyncio.sleep(PAUSE)

    async def stream(self, path: str, **headers: str) -> AsyncIterator[str]:
        """The lines of an answer that does not end, until it breaks off."""
        try:
            reader = await self._send("GET", path, None, headers)
            status, _ = await _head(reader)
            while status == 200 and (line := await reader.readline()):
                yield line.decode().rstrip("\r\n")
        except (OSError, EOFError):
            return
        finally:
            await self.hang_up()

    async def hang_up(self) -> None:
        """Let go of the connection."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()
            with suppress(OSError):
                await streams[1].wait_closed()

    async def _send(
        self, method: str, path: str, body: Body | None, headers: Mapping[str, str]
    ) -> asyncio.StreamReader:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        content = b"" if body is None else orjson.dumps(body)
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n{more}\r\n".encode()
            + content
        )
        await writer.drain()
        return reader


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}
