"""What a person is told when a command cannot do what it was asked: what is wrong, and what to do next."""

import os
import sys
from collections.abc import Callable

DEBUG = "MAGISTRATE_DEBUG"
"""Set to anything, unexpected errors are shown in full."""

STOPPED = 130
"""The exit code after Ctrl-C, as shells expect it."""


class Failure(Exception):
    """A command has failed; the text says why and the advice what to do about it."""

    def __init__(self, text: str, advice: str = "") -> None:
        super().__init__(text)
        self.advice = advice


def guarded(command: Callable[[], object], *, let_through: tuple[type[Exception], ...]) -> int:
    """Runs a command and returns its exit code; what fails is told, without a stack unless asked for."""
    try:
        command()
    except KeyboardInterrupt:
        tell("Stopped.")
        return STOPPED
    except let_through:
        raise
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        failure = explained(error)
        tell(f"Error: {failure}", failure.advice)
        return 1
    return 0


def tell(*lines: str) -> None:
    """Says something on the error output, where it mixes with nobody's data."""
    for line in filter(None, lines):
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def explained(error: Exception) -> Failure:
    """Any exception as a failure in words."""
    if isinstance(error, Failure):
        return error
    # Looked up by name, so that telling of a failure imports nothing heavy.
    kind = next((base.__name__ for base in type(error).__mro__ if base.__name__ in _ADVICE), "")
    if kind == "Refused":
        return _refusal(error)
    if kind:
        return Failure(str(error), _ADVICE[kind])
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return Failure(f"{named}{error.strerror or error}")
    return Failure(
        f"something unexpected went wrong: {type(error).__name__}: {error}",
        f"Set {DEBUG}=1 and run it again to see where, and please report it.",
    )


_ADVICE = {
    "Unreachable": "Start a server with `magistrate up`, or name a running one: MAGISTRATE_URL=http://host:port",
    "Refused": "",
    "SettingsInvalid": "",
    "EmbeddedPostgresError": "",
    "MigrationError": "",
    "OperationalError": "The database does not answer. Is DATABASE_URL right and the server up?",
    "ValidationError": "",
}

_BY_STATUS = {
    401: "Give a valid token: MAGISTRATE_TOKEN=$(magistrate token --tenant … --sub …)",
    403: "Ask somebody who has the role, or use a token of theirs: magistrate token --help",
    404: "Is the id right, and is it of this tenant? `magistrate runs` lists what there is.",
    503: "The server is busy or its database is away; it recovers by itself. Try again shortly.",
}


def _refusal(error: Exception) -> Failure:
    status = int(getattr(error, "status", 0))
    problem = getattr(error, "problem", {})
    evidence = [f"{name}: {value}" for name, value in problem.items() if name not in _USUAL and value]
    told = f"the server refused ({status}): {error}" + "".join(f"\n  {line}" for line in evidence)
    return Failure(told, _BY_STATUS.get(status, ""))


_USUAL = {"type", "title", "status", "detail", "instance", "correlation_id", "errors", "retry_after"}
