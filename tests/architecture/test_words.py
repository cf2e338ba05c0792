"""The project speaks of itself alone: no places, no tickets, no trade of those who wrote it."""

import re

from tests.architecture.tree import named, tracked

# A letter in brackets keeps a pattern from finding itself.
PLACES = r"(?<![A-Za-z0-9_.}])/(wor[k]|far[m]|roo[t]|home/[a-z]+|Users/[A-Za-z]+)/"
TICKETS = r"\b[Ii]ssu[e] #?\d+\b|(?<![\w&/])#\d{1,5}\b(?!;)"
UNFINISHED = r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b|NotImplementedErro[r]"
REGISTRIES = r"https?://[^\s\"')]*(pyp[i]|pythonhoste[d]|npmj[s]|artifac[t]|nexu[s]|registr[y])"

FORBIDDEN = re.compile(f"{PLACES}|{TICKETS}|{UNFINISHED}|{REGISTRIES}")

NOT_PROSE = {"LICENSE"}
SUFFIXES = {
    "", ".cedar", ".cfg", ".css", ".html", ".ini", ".js", ".json", ".jsonl", ".lock", ".md", ".py", ".sh",
    ".sql", ".toml", ".txt", ".yaml", ".yml",
}  # fmt: skip


def test_no_forbidden_word_is_in_any_file() -> None:
    found = [
        f"{named(path)}:{number}: {match[0]}"
        for path in tracked()
        if path.suffix in SUFFIXES and named(path) not in NOT_PROSE
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        for match in FORBIDDEN.finditer(line)
    ]
    assert not found
