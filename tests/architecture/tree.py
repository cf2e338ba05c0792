"""The files of the house, as its tests read them."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = ("domain", "application", "projections", "adapters", "api")
"""What is installed and imported."""


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that is kept, and none that was built or installed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive has no history to ask
        found = (p for p in ROOT.rglob("*") if not any(part in BUILT for part in p.relative_to(ROOT).parts))
        return tuple(sorted(p for p in found if p.is_file()))
    return tuple(sorted({p for name in listed.split("\0") if name and (p := ROOT / name).is_file()}))


BUILT = frozenset({".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", "results"})


def modules(*folders: str) -> Iterator[Path]:
    """The Python files of some folders; of all packages if none is named."""
    for path in tracked():
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in (folders or PACKAGES):
            yield path


def named(path: Path) -> str:
    """A file as people call it: its path from the root."""
    return path.relative_to(ROOT).as_posix()
