"""Tables that never change in place: a step of history costs O(log n), not a copy of all."""

from typing import Annotated, TypeAlias, TypeVar, get_args

from immutables import Map
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

K = TypeVar("K")
V = TypeVar("V")


class _AsPairs:
    """Reads and writes a Map as a list of pairs, because JSON's object keys are text only."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        key, value = get_args(source)
        pair = core_schema.tuple_schema([handler.generate_schema(key), handler.generate_schema(value)])
        return core_schema.no_info_after_validator_function(
            Map,
            core_schema.list_schema(pair),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda table: list(table.items()),
                return_schema=core_schema.list_schema(pair),
            ),
        )


Table: TypeAlias = Annotated[Map[K, V], _AsPairs]
"""An immutable map; in a snapshot it is a list of `[key, value]` pairs."""
