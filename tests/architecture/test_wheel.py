"""What is installed from a wheel is whole: code, migrations and examples, and nothing of the tests."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from tests.architecture.tree import PACKAGES, ROOT, named, tracked

CARRIED = (*PACKAGES, "migrations", "examples")


def test_the_wheel_carries_every_file_of_the_service_and_no_other(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    wanted = {name for path in tracked() if (name := named(path)).split("/")[0] in CARRIED}
    assert inside == wanted
