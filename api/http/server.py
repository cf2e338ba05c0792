"""Serving: one worker in this process, or several under a supervisor that replaces one that dies."""

import gc
import os
import signal
import socket
import threading
from functools import partial
from multiprocessing import parent_process
from typing import TYPE_CHECKING

from api.settings import Settings

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

GRACE = 10
"""Seconds that requests under way have to finish when the server stops."""

SILENT = 30
"""Seconds after which a worker that does not answer its supervisor is replaced. It answers once it has
imported some libraries, which on a busy machine takes long: replaced too soon, it would never serve."""

BACKLOG = 2_048

COLLECTING = (50_000, 50, 50)
"""Thousands of remembered runs live long: looking through them seldom saves a tenth of the time."""


def serve(settings: Settings) -> None:
    """Serves until told to stop. The supervisor itself imports no more than it needs."""
    import uvicorn  # noqa: PLC0415
    from uvicorn.supervisors import Multiprocess  # noqa: PLC0415

    config = configured(settings)
    listening = listen(settings.host, settings.port)
    try:
        if settings.workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
        else:
            Multiprocess(config, sockets=[listening]).run()
    finally:
        listening.close()


def configured(settings: Settings) -> "uvicorn.Config":
    """How uvicorn serves; the application is built in the process that runs it."""
    import uvicorn  # noqa: PLC0415

    return uvicorn.Config(
        partial(built, settings),  # pyright: ignore[reportArgumentType]  # a factory, as `factory` says
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks where a request came from
        timeout_graceful_shutdown=GRACE,
        timeout_worker_healthcheck=SILENT,
        backlog=BACKLOG,
    )


def built(settings: Settings) -> "FastAPI":
    """The web application of these settings, which connects as soon as it can once its lifespan begins."""
    from api.bootstrap import answering, assembled  # noqa: PLC0415
    from api.http.app import lasting, web_app  # noqa: PLC0415
    from api.logs import configure  # noqa: PLC0415

    configure(settings.log_level)
    _end_with_supervisor()
    gc.set_threshold(*COLLECTING)
    app = assembled(settings)
    return web_app(app, lasting(answering(app)))


def _end_with_supervisor() -> None:
    """A worker whose supervisor was killed stops: it would keep the address from the next supervisor."""
    supervisor = parent_process()
    if supervisor is None:  # the only worker, in the process that somebody started
        return

    def stop_after() -> None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_after, name="supervisor", daemon=True).start()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; raises OSError where the port is taken. Port 0 takes any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    listening.set_inheritable(True)
    return listening
