"""What a tool's registration says about facts: what its output teaches and what its calls refer to."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from domain.kernel import Json, Message, Name

FactType: TypeAlias = Literal["bool", "long", "string", "decimal", "datetime", "set"]
"""How Cedar sees a value; `set` is a set of strings. What has no type is visible to CEL only."""

Pattern = Annotated[str, StringConstraints(max_length=512, pattern=r"^(/[^/]*)*$")]
"""An RFC 6901 pointer; `*` stands for every element of a list or member of an object."""

Member = Annotated[str, StringConstraints(max_length=512, pattern=r"^(/[^/]*)+$")]
"""A pointer into a record; `{name}` stands for an argument's value: `/payment_methods/{payment_id}`."""

Path = Annotated[
    str,
    StringConstraints(
        max_length=512, pattern=r"^((arg:|out:|fact:[A-Za-z_][A-Za-z0-9_]*:)?(/[^/]*)+|arg:|)$"
    ),
]
"""Where a value is read from: `/x` of the element at hand (a record of an output, an element of `each`),
`arg:/x` of the arguments, `out:/x` of all the output, `fact:name:/x` of a record that the call points at."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name that CEL and Cedar can write after a dot."""

Amount = Annotated[str, StringConstraints(max_length=520, pattern=r"^((arg:|out:|count:)?(/[^/]*)+|arg:|)$")]
"""A path in an output, or `count:/x/*`: how many places match, for where the values are nobody's business."""

Listing = Annotated[
    str, StringConstraints(max_length=512, pattern=r"^(fact:[A-Za-z_][A-Za-z0-9_]*:)?(/[^/]*)+$")
]
"""A pattern into the arguments (`/flights/*`) or into a fact (`fact:user:/reservations/*`)."""

Expression = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
"""A CEL expression."""

RESERVED = "sources"
"""In a call's view of facts: who vouches for each of the others."""


class Yield(Message):
    """Records that an output holds: one at every place that `at` matches, named by its key.

    `{"kind": "flight", "at": "/*", "key": ["/flight_number", "arg:/date"], "fields": {"prices": "/prices"}}`.
    A field whose path has a `*` is the list of all that matches.
    """

    kind: Name
    at: Pattern = ""
    key: Annotated[tuple[Path, ...], Field(min_length=1, max_length=8)]
    fields: Annotated[Mapping[Label, Amount], Field(max_length=64)]


class Reference(Message):
    """A record that a call is about, seen by policies as `facts.<name>`.

    `{"name": "reservation", "kind": "reservation", "key": ["/reservation_id"], "types":
    {"cabin": "string"}}`. Without `each`, `/x` in the key is an argument. With `each`, a pattern into the
    arguments or into a fact, there is one entry per element: `{"arg": the element, "fact": the record, if
    known}`, and `/x` is the element's.
    A `member` shows only a part of the record.
    """

    name: Label
    kind: Name
    key: Annotated[tuple[Path, ...], Field(min_length=1, max_length=8)]
    each: Listing | None = None
    member: Member | None = None
    types: Annotated[Mapping[Label, FactType], Field(max_length=64)] = Field(default_factory=dict)


class Effect(Message):
    """What a successful call makes of the records that its reference `on` names.

    `set` copies values (`{"cabin": "arg:/cabin"}`), `mark` puts constants; null forgets a field.
    """

    on: Label
    set: Annotated[Mapping[Label, Path], Field(max_length=64)] = Field(default_factory=dict)
    mark: Annotated[Mapping[Label, Json], Field(max_length=64)] = Field(default_factory=dict)


class Derived(Message):
    """A CEL expression over `args`, `facts`, `run`, `now` and the `derived` before it.

    Where it is `optional`, null means that there is no such value in this call; else null is an error,
    and any error denies the call.
    """

    name: Label
    type: FactType
    cel: Expression
    optional: bool = False


class FactSpec(Message):
    """All that a tool's registration says about facts; empty by default."""

    yields: Annotated[tuple[Yield, ...], Field(max_length=32)] = ()
    points_at: Annotated[tuple[Reference, ...], Field(max_length=32)] = ()
    effects: Annotated[tuple[Effect, ...], Field(max_length=32)] = ()
    derives: Annotated[tuple[Derived, ...], Field(max_length=64)] = ()

    @model_validator(mode="after")
    def names_what_it_declares(self) -> "FactSpec":
        """Names are used once, and paths and effects refer only to references that stand before them."""
        known: set[str] = {RESERVED}
        for reference in self.points_at:
            _must(reference.name not in known, f"points_at: {reference.name!r} is taken")
            for path in (*reference.key, reference.each or ""):
                _must_refer(path, known - {RESERVED}, f"points_at {reference.name}")
                _must(not path.startswith("out:"), f"points_at {reference.name}: there is no output yet")
            known.add(reference.name)
        whole = {reference.name for reference in self.points_at if reference.member is None}
        for effect in self.effects:
            _must(effect.on in whole, f"effects: {effect.on!r} is no whole record that points_at names")
            for path in effect.set.values():
                _must_refer(path, known, f"effects on {effect.on}")
                _must(not path.startswith("out:"), f"effects on {effect.on}: an output is told by yields")
        for found in self.yields:
            for path in (*found.key, *found.fields.values()):
                _must(
                    not path.startswith("fact:"),
                    f"yields {found.kind}: {path!r} reads an output or arguments",
                )
        derived = [each.name for each in self.derives]
        _must(len(set(derived)) == len(derived), "derives: a name is declared twice")
        return self


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _must_refer(path: str, known: set[str], where: str) -> None:
    if path.startswith("fact:"):
        name = path.split(":", 2)[1]
        _must(name in known, f"{where}: {path!r} refers to {name!r}, which is not declared before it")
