"""What can go wrong with an embedded Postgres; every message says what to do next."""


class EmbeddedPostgresError(Exception):
    """Base of all errors of the embedded Postgres."""


class BinariesMissing(EmbeddedPostgresError):
    """The Postgres programs are not installed."""


class DirectoryUnusable(EmbeddedPostgresError):
    """The directory cannot hold the data: not ours, not reachable, or of another Postgres version."""


class PasswordRefused(EmbeddedPostgresError):
    """A server holds the directory but does not accept the password kept there."""


class StartFailed(EmbeddedPostgresError):
    """The server or initdb ended instead of starting; the message quotes its last lines."""


class StartTimedOut(EmbeddedPostgresError):
    """The server is alive but did not answer in time; the message quotes the end of its log."""


class StopTimedOut(EmbeddedPostgresError):
    """The server was asked to stop and is still busy doing so."""
