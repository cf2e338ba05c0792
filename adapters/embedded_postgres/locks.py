"""File locks: one serialises supervisors, the other is held by the server for as long as it lives."""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.02


def try_lock(path: Path) -> int | None:
    """Lock the file; returns the open descriptor, or None while somebody else holds it.

    The lock belongs to the descriptor and every copy of it. A child that inherits one keeps the lock
    until the last process holding a copy is gone, whatever happened to us: unlike a process id this
    cannot be stale, taken over by another program, or misread from another container.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock right now."""
    descriptor = try_lock(path)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


@contextmanager
def held(path: Path, deadline: float) -> Generator[None]:
    """Hold the lock for a block; `deadline` is a `time.monotonic()` value, TimeoutError when it passes."""
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)
