"""The server's settings and its port, written anew at every start; ALTER SYSTEM still overrides them."""

import hashlib
import random
import socket
from pathlib import Path

ADDRESS = "127.0.0.1"
# Below the range from which systems pick outgoing ports: a port from that range could be taken while
# the server is down, and connecting to a closed one can meet itself.
PORTS = range(20_000, 32_000)

_SETTINGS = """\
listen_addresses = '{address}'
port = {port}
unix_socket_directories = ''
cluster_name = '{cluster}'
password_encryption = 'scram-sha-256'
max_connections = 100
shared_buffers = '128MB'
timezone = 'UTC'

# Appending at a steady rate: few, spread-out checkpoints. Nothing acknowledged is ever lost.
fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = '2GB'
min_wal_size = '256MB'
checkpoint_timeout = '15min'

# Statements, parameters and error details hold people's values: none of them reaches the log.
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = 'none'
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_lock_waits = off
log_autovacuum_min_duration = -1
"""


def settings(port: int, data: Path) -> str:
    """The text of postgresql.conf."""
    return _SETTINGS.format(address=ADDRESS, port=port, cluster=cluster_name(data))


def cluster_name(data: Path) -> str:
    """The name that every server process of this data directory shows in the process list."""
    return f"magistrate-{hashlib.sha256(bytes(data)).hexdigest()[:12]}"


def is_port_free(port: int) -> bool:
    """Whether the server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As Postgres does: connections that were just closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose_port(remembered: int | None) -> int:
    """The remembered port if it is free, else a free one."""
    if remembered is not None and is_port_free(remembered):
        return remembered
    candidates = random.sample(PORTS, 200)
    return next(port for port in candidates if is_port_free(port))
