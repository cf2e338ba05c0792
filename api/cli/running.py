"""`magistrate up`, `serve`, `work`, `migrate` and `rebuild`: what runs on a machine and on its database."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import asdict
from functools import partial

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from adapters.migrations import Phase
from adapters.read_models import rebuild as models
from api.bootstrap import Application, assembled, serving, wired
from api.cli.failures import Failure, tell
from api.cli.home import FirstTenant, Home
from api.cli.machine import Running, bring_up_to_date, follower_url, machine, own_or_given
from api.cli.output import console, table, write_json
from api.http import server
from api.keyring import master_key
from api.logs import configure
from api.settings import Settings, read_settings
from api.worker import READ_MODELS, working


def up(*, port: int | None, tenant: str | None, admin: str | None, as_json: bool) -> None:
    """Runs everything until it is stopped."""
    home = Home(_settings(port))
    configure("warning" if home.settings.log_level == "info" else home.settings.log_level)
    known = home.known_first_tenant() or FirstTenant("acme", "ada")
    first = FirstTenant(tenant or known.tenant, admin or known.admin)
    asyncio.run(_up(home, first, as_json=as_json))


async def _up(home: Home, first: FirstTenant, *, as_json: bool) -> None:
    stop = _stop_asked()
    async with machine(home, first) as running:
        home.remember_first_tenant(first)
        home.remember_address(running.address)
        try:
            _greet(home, first, running, as_json=as_json)
            await asyncio.wait([stop, running.done], return_when=asyncio.FIRST_COMPLETED)
        finally:
            home.forget_address(running.address)
        if not stop.done():
            raise Failure("the server has stopped by itself", "Its log above says why.")
    if not as_json:
        console().print("Stopped. Everything is kept; `magistrate up` goes on from here.")


def _greet(home: Home, first: FirstTenant, running: Running, *, as_json: bool) -> None:
    if as_json:
        told = {"address": running.address, "tenant": first.tenant, "admin": first.admin}
        write_json({**told, "data_dir": str(home.directory)})
        return
    out: Console = console()
    out.print(f"[bold]Magistrate[/] is at [bold cyan]{running.address}[/], its data in {home.directory}")
    out.print(f"tenant {first.tenant}, admin {first.admin}\n")
    out.print("In another terminal:", style="dim")
    out.print("  export MAGISTRATE_TOKEN=$(magistrate token)   a token for an hour")
    out.print("  magistrate import FILE...                     what would have been allowed?")
    out.print("  magistrate runs                               what happened\n")
    out.print("Ctrl-C stops it. Nothing that was answered is lost.", style="dim")


def _settings(port: int | None) -> Settings:
    return read_settings() if port is None else read_settings(port=port)


def _stop_asked() -> "asyncio.Future[None]":
    """Done once somebody wants us to stop; a second Ctrl-C does not wait for the first."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[None] = loop.create_future()

    def ask(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        if not asked.done():
            asked.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask, number)
    return asked


def serve(*, port: int | None, as_json: bool) -> None:
    """Serves the API until it is stopped."""
    settings = _settings(port)
    if as_json:
        write_json({"host": settings.host, "port": settings.port, "workers": settings.workers})
    else:
        where = f"{settings.host}:{settings.port}" if settings.port else f"a free port of {settings.host}"
        tell(f"Serving on {where} with {settings.workers} worker(s). Ctrl-C stops it.")
    try:
        with suppress(KeyboardInterrupt):  # passed on after an orderly stop
            server.serve(settings)
    except OSError as error:
        raise Failure(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}",
            "Is a server running there already? Choose another port with --port or MAGISTRATE_PORT.",
        ) from None


def work(*, as_json: bool) -> None:
    """Runs the followers until it is stopped."""
    settings = read_settings()
    configure(settings.log_level)
    asyncio.run(_work(settings, as_json=as_json))


async def _work(settings: Settings, *, as_json: bool) -> None:
    stop = _stop_asked()
    if as_json:
        write_json({"followers": list(READ_MODELS)})
    else:
        tell(f"Following the log for {', '.join(READ_MODELS)}. Ctrl-C stops it.")
    app = await asyncio.to_thread(assembled, settings)
    beginning = asyncio.create_task(_until(stop, serving(app), settings))
    await asyncio.wait([stop, beginning], return_when=asyncio.FIRST_COMPLETED)
    if stop.done():
        beginning.cancel()
    await asyncio.gather(beginning, return_exceptions=stop.done())


async def _until(
    stop: "asyncio.Future[None]", served: AbstractAsyncContextManager[Application], settings: Settings
) -> None:
    async with served as app, working(app.desk.log, follower_url(settings), app.desk.clock):
        await asyncio.shield(stop)


def migrate(*, phase: Phase, as_json: bool) -> None:
    """Brings the schema of the named database up to date."""
    settings = read_settings()
    if settings.database_url is None:
        raise Failure(
            "DATABASE_URL is not set",
            "Set it to the database's owner or a superuser. This machine's own needs no migrating: "
            "`magistrate up` does that.",
        )
    applied = bring_up_to_date(settings.database_url.get_secret_value(), master_key(settings), phase)
    if as_json:
        write_json({"applied": applied})
    else:
        for name in applied:
            console().print(f"applied {name}")
        console().print("The schema is up to date." if phase == "all" else f"All of `{phase}` is applied.")


def rebuild(model: str | None, *, accept_difference: bool, as_json: bool) -> None:
    """Builds one read model anew, or all of them."""
    if model is not None and model not in READ_MODELS:
        raise typer.BadParameter(f"{model!r} is none of {', '.join(READ_MODELS)}", param_hint="MODEL")
    settings = read_settings()
    configure("error")
    names = [model] if model else list(READ_MODELS)
    with own_or_given(settings) as found:
        rebuilt = asyncio.run(_rebuild(found, names, accept=accept_difference, show=not as_json))
    if as_json:
        write_json([asdict(one) for one in rebuilt])
        return
    rows = [(one.model, f"{one.events:,}", f"{one.position:,}", str(one.generation)) for one in rebuilt]
    console().print(
        table(("read model", "events", "position", "generation"), rows, right=("events", "position"))
    )


async def _rebuild(
    settings: Settings, names: Sequence[str], *, accept: bool, show: bool
) -> list[models.Rebuilt]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    async with wired(settings) as app:
        with Progress(
            *columns, console=Console(file=sys.stderr), disable=not show, transient=True
        ) as progress:
            rebuilt: list[models.Rebuilt] = []
            for name in names:
                task = progress.add_task(name, total=None)
                moved = partial(_moved, progress, task)
                again = models.rebuild(
                    follower_url(settings),
                    app.desk.log,
                    READ_MODELS[name],
                    progress=moved,
                    accept_difference=accept,
                )
                rebuilt.append(await again)
            return rebuilt


def _moved(progress: Progress, task: TaskID, reached: int, target: int) -> None:
    progress.update(task, completed=reached, total=target)
