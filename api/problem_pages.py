"""A page for each problem type, made from the refusals themselves."""

import importlib
import importlib.util
import pkgutil
from functools import lru_cache
from pathlib import Path

from api.problems import MEDIA_TYPE, message, rejections, slug, status_of, title
from domain.kernel import Rejected

PACKAGES = ("domain", "application", "adapters", "api")
FOLDER = Path(__file__).resolve().parent.parent / "docs" / "problems"

ADVICE = {
    "conflict": "It does not fit what already happened. Read the present state before you ask again.",
    "expired": "It was possible once, and its time is over.",
    "fault": "The request may or may not have been carried out. Ask again with the same id or key.",
    "forbidden": "Another principal, or another role, may do this.",
    "invalid": "The same request will be refused again. The members of the problem say what to change.",
    "malformed": "The request cannot be read. Change it before you send it again.",
    "not-found": "It does not exist, or belongs to another tenant: the two look the same from outside.",
    "precondition": "Somebody was quicker. Read it again, and send the new ETag as If-Match.",
    "precondition-required": "Read it first, and send its ETag as If-Match.",
    "too-large": "Send less at once.",
    "unauthenticated": "Send `Authorization: Bearer <token>` with a token of this environment.",
    "unavailable": "Ask again after the seconds in `Retry-After`, with the same id or key.",
    "wrong-media-type": "Send JSON.",
    "wrong-method": "The `Allow` header says which methods there are.",
}


def every_rejection() -> list[type[Rejected]]:
    """All refusals of the program, whether or not anything has raised them yet."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if "rejections" in found.name or _defines_rejections(found.name):
                importlib.import_module(found.name)
    return rejections()


@lru_cache(maxsize=1)
def pages() -> dict[str, str]:
    """The pages by slug, as Markdown."""
    return {slug(rejection): page(rejection) for rejection in every_rejection()}


def page(rejection: type[Rejected]) -> str:
    """One page: what it says, its status, and what to do."""
    return (
        f"# {title(rejection)}\n\n"
        f"{message(rejection)}\n\n"
        f"- Type: `/problems/{slug(rejection)}`\n"
        f"- Status: {status_of(rejection)}\n"
        f"- Media type: `{MEDIA_TYPE}`\n\n"
        f"{ADVICE[rejection.kind]}\n"
    )


def index() -> str:
    """The list of all pages."""
    rows = [
        f"| [{title(rejection)}]({slug(rejection)}.md) | {status_of(rejection)} | {message(rejection)} |"
        for rejection in every_rejection()
    ]
    head = "# Problems\n\nEvery refusal of the API.\n\n| Problem | Status | What it says |\n|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def write(folder: Path = FOLDER) -> None:
    """Writes all pages, and removes those whose refusal is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {f"{name}.md": text for name, text in pages().items()} | {"index.md": index()}
    for old in folder.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text)


def _defines_rejections(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return False
    text = Path(spec.origin).read_text()
    return "(Rejected)" in text or "(NotFound)" in text


if __name__ == "__main__":
    write()
