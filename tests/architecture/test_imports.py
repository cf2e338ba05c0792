"""Commands go in at the left, events come out at the right, and nothing goes back."""

import configparser
import subprocess
import sys

from tests.architecture.tree import ROOT, modules, named

CONTRACTS = configparser.ConfigParser()
CONTRACTS.read(ROOT / ".importlinter")


def listed(contract: str, option: str) -> set[str]:
    return set(CONTRACTS[f"importlinter:contract:{contract}"][option].split())


def test_the_import_rules_hold() -> None:
    # In a process of its own: the linter reads the code as installed, not what a test may have loaded.
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as l; l()",
        "--no-logo",
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_slice_of_the_domain_is_under_the_rules() -> None:
    folders = {p.name for p in (ROOT / "domain").iterdir() if (p / "commands.py").is_file()}
    slices = {f"domain.{name}" for name in folders}
    assert slices == listed("slices", "modules") == listed("kernel", "forbidden_modules")


def test_projections_may_import_none_of_the_modules_that_decide() -> None:
    deciding = {
        named(path).removesuffix(".py").replace("/", ".")
        for path in modules("domain")
        if "Decider(" in (text := path.read_text()) or ".rejections import" in text
    }
    assert deciding - {"domain.kernel"} <= listed("projections", "forbidden_modules") | {
        module for module in deciding if module.endswith((".commands", ".rejections"))
    }
