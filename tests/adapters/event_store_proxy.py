"""A TCP proxy between the log and its database that can lose answers, go deaf, or hang up."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Forwards to a server; what it does to a connection is decided by its switches."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = parts.hostname, parts.port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.lose_answers = False
        """Hang up instead of handing on the server's next answer: the request has been carried out."""
        self.lose_requests = False
        """Hang up instead of handing on the client's next request: it never arrives."""
        self.deaf = False
        """Take everything and hand on nothing, without hanging up."""
        self.refuse = False
        """Hang up on new connections."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def url(self, url: str) -> str:
        """The same database through this proxy."""
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}"))

    def hang_up(self) -> None:
        """Cut every connection."""
        for writer in [*self._open]:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuse:
            writer.transport.abort()
            return
        upstream, downstream = await asyncio.open_connection(*self._target)
        ends = {writer, downstream}
        self._open |= ends
        pumps = [
            asyncio.create_task(self._pump(reader, downstream, "lose_requests")),
            asyncio.create_task(self._pump(upstream, writer, "lose_answers")),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.transport.abort()
        self._open -= ends
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, switch: str) -> None:
        while data := await source.read(65536):
            if getattr(self, switch):
                setattr(self, switch, False)
                return
            if not self.deaf:
                sink.write(data)
                await sink.drain()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()


@asynccontextmanager
async def proxied(url: str) -> AsyncGenerator[Proxy]:
    proxy = Proxy(url)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
