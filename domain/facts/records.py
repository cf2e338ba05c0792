"""A fact is a record that a run learned: a kind, a key, its fields, and who vouches for them."""

from collections.abc import Mapping

from domain.kernel import Json, Message, Source

_TRUST = (Source.AGENT, Source.TOOL, Source.GATEWAY, Source.EXECUTOR)


class FactRecord(Message):
    """What is known of one thing. A field that is null in news of it is one to forget."""

    kind: str
    key: str
    fields: Mapping[str, Json]
    source: Source


def merged(known: FactRecord | None, news: FactRecord) -> FactRecord:
    """What is known after news of the same record.

    Field by field the news wins; fields it does not mention stay, because a search shows less of a thing
    than a look at it. Its source is the weaker one as long as a field of the older record remains: what
    an agent claimed does not become the tool's word because the tool later spoke of something else.
    """
    kept = {name: value for name, value in known.fields.items() if name not in news.fields} if known else {}
    told = {name: value for name, value in news.fields.items() if value is not None}
    source = weaker(known.source, news.source) if known and kept else news.source
    return FactRecord(kind=news.kind, key=news.key, fields={**kept, **told}, source=source)


def weaker(one: Source, other: Source) -> Source:
    """Whoever of two is to be believed less."""
    return min(one, other, key=_TRUST.index)
