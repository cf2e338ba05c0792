"""`magistrate up`, `serve`, `work`, `migrate` and `rebuild`: what runs on a machine and on its database."""

import asyncio
import signal

from rich.console import Console

from api.cli.failures import Failure
from api.cli.home import FirstTenant, Home
from api.cli.machine import Running, machine
from api.cli.output import console, write_json
from api.logs import configure
from api.settings import Settings, read_settings


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
