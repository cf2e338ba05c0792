"""The `magistrate` command: what it offers, and the words that explain it."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from api.cli.failures import guarded

# Whatever is heavy is imported by the command that needs it: asking for help takes no half second.


class Guarded(TyperGroup):
    """Commands whose failures are told in words and whose exit codes mean something."""

    def invoke(self, ctx: typer.Context) -> None:  # type: ignore[override]
        """Usage errors are click's and exit with 2; everything else that fails exits with 1."""
        code = guarded(
            lambda: super(Guarded, self).invoke(ctx), let_through=(typer.Exit, typer.Abort, TyperException)
        )
        if code:
            raise typer.Exit(code)


app = typer.Typer(
    cls=Guarded,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""**Magistrate** decides what AI agents may do, and can prove later what it decided.

An agent proposes each tool call before it acts. Magistrate allows it, denies it or asks a person, by
policies you write, and records everything in a log that is never changed.

Start with `magistrate demo` (a story, under a minute) or `magistrate up` (the real thing, on this
machine). Commands that talk to a server find the one that `up` started; for another one set
MAGISTRATE_URL and MAGISTRATE_TOKEN.""",
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for programs.")]


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Where to listen; 0 takes any free port.")] = None,
    tenant: Annotated[
        str | None, typer.Option(help="The tenant to found on the first start.", show_default="acme")
    ] = None,
    admin: Annotated[
        str | None, typer.Option(help="Its first principal, admin and operator.", show_default="ada")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run **everything on this machine**: a Postgres of its own, the API, the followers.

    The first start makes the database and its secrets (readable by you alone) under MAGISTRATE_DATA_DIR,
    and founds a tenant with an admin. Later starts find all of it again. It listens on loopback only,
    unless MAGISTRATE_HOST says otherwise. Ctrl-C stops it; nothing that was answered is lost.
    """
    from api.cli import running

    running.up(port=port, tenant=tenant, admin=admin, as_json=as_json)


@app.command()
def demo(
    as_json: AsJson = False,
    pace: Annotated[float, typer.Option(help="Seconds of rest after each step.", min=0, max=10)] = 0.0,
) -> None:
    """Watch **a small fleet of agents** being governed: a story in under a minute.

    Starts a server with a database of its own in a temporary folder, drives it over HTTP as agents and
    people would, and cleans up. Exits with 0 only if every step went as it must.
    """
    from api.cli import demo as story

    story.play(as_json=as_json, pace=pace)


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="Where to listen; 0 takes any free port.")] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the **API** alone, on the database that DATABASE_URL names.

    For production: as many of these as you like, with `magistrate work` beside them and the schema
    brought up to date by `magistrate migrate` before. Settings come from the environment.
    """
    from api.cli import running

    running.serve(port=port, as_json=as_json)


@app.command()
def work(as_json: AsJson = False) -> None:
    """Run the **followers**, which make read models of the log.

    One is active per follower however many run; the others stand by.
    """
    from api.cli import running

    running.work(as_json=as_json)


@app.command()
def migrate(
    phase: Annotated[
        Literal["pre", "post", "all"], typer.Option(help="`pre` before a rollout, `post` after it, or `all`.")
    ] = "all",
    as_json: AsJson = False,
) -> None:
    """Bring the **database schema** up to date; asking again changes nothing.

    DATABASE_URL names the owner of the database, or a superuser. `magistrate up` does this by itself.
    """
    from api.cli import running

    running.migrate(phase=phase, as_json=as_json)


@app.command()
def token(
    tenant: Annotated[str | None, typer.Option(help="The tenant; without it the one `up` founded.")] = None,
    sub: Annotated[str | None, typer.Option(help="The principal; without it that tenant's admin.")] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="Narrow the token to this role; may be given again.")
    ] = None,
    lasts: Annotated[str, typer.Option("--for", help="How long it is valid: 90s, 30m, 12h, 7d.")] = "1h",
    as_json: AsJson = False,
) -> None:
    """Issue a **token**, signed with the secret of this installation.

    A token says who somebody is. What they may do is what their tenant has granted them; `--role` can
    only narrow that.

    export MAGISTRATE_TOKEN=$(magistrate token --tenant acme --sub ada)
    """
    from api.cli import tokens

    tokens.issue(tenant=tenant, principal=sub, roles=role, lasts=lasts, as_json=as_json)


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="Transcripts: JSON or JSON lines.")],
    written: Annotated[
        Literal["auto", "openai", "anthropic", "tau"],
        typer.Option("--format", help="How they are written; `auto` looks at each one."),
    ] = "auto",
    agent: Annotated[
        str | None, typer.Option(help="Whose runs they are; without it as each transcript's metadata says.")
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
            help="When they happened, for policies that look at the time; UTC unless it names a zone.",
        ),
    ] = None,
    tools: Annotated[Path | None, typer.Option(help="Register these tools first (JSON by name).")] = None,
    policies: Annotated[Path | None, typer.Option(help="Put this Cedar text in force first.")] = None,
    agents: Annotated[Path | None, typer.Option(help="Register these agents first (JSON by name).")] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Into which tenant, with this machine's own secret.")
    ] = None,
    batch: Annotated[str, typer.Option(help="A name that sets this import apart from an earlier one.")] = "",
    callers: Annotated[int, typer.Option(help="How many runs at a time.", min=1, max=64)] = 8,
    as_json: AsJson = False,
) -> None:
    """Import **recorded transcripts**, deciding every tool call anew.

    Reads OpenAI chat, Anthropic Messages and tau-bench records. Each transcript becomes a run whose calls
    are proposed in order; where one is allowed, its recorded output is reported. An import that was
    interrupted goes on where it was when you repeat it, and repeating a finished one changes nothing:
    to judge the same transcripts under other policies, give a new --batch.

    magistrate import examples/fleet/transcripts/* --agents examples/fleet/agents.json
    --tools examples/fleet/tools.json --policies examples/fleet/policies.cedar
    """
    from api.cli import importing

    order = importing.Order(
        files=files,
        written=written,
        agent=agent,
        at=at,
        tools=tools,
        policies=policies,
        agents=agents,
        tenant=tenant,
        batch=batch,
        callers=callers,
    )
    importing.carry_out(order, as_json=as_json)


@app.command()
def runs(
    agent: Annotated[str | None, typer.Option(help="Only this agent's.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those that are `active`, `completed`, …")] = None,
    limit: Annotated[int, typer.Option(help="How many at most, newest first.", min=1, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """List **runs**, the newest first."""
    from api.cli import reading

    reading.runs(agent=agent, status=status, limit=limit, as_json=as_json)


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="The run's id, as `magistrate runs` lists it.")],
    as_of: Annotated[
        int | None, typer.Option(min=1, help="As it was at this log position, not as it is now.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show **what happened in a run, and why**: verdicts with their reasons, approvals, outcomes."""
    from api.cli import reading

    reading.show(run, as_of=as_of, as_json=as_json)


@app.command()
def rebuild(
    model: Annotated[str | None, typer.Argument(help="Which read model; without it all of them.")] = None,
    accept_difference: Annotated[
        bool,
        typer.Option(help="Switch over even if the log amounts to something else than what is read now."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build **read models** again from the log, beside the live ones, and switch over once they agree.

    Readers never wait. Works on the database that DATABASE_URL names, or on this machine's own.
    """
    from api.cli import running

    running.rebuild(model, accept_difference=accept_difference, as_json=as_json)
