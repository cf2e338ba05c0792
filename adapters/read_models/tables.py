"""One generation of a read model's tables: takes batches of the log, together with its position."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from adapters.followers.handler import FollowerMoved, Session
from adapters.read_models.folding import MODULUS, Folded, ends_of, fold
from application.ports import Recorded
from projections.changes import ReadModel, Table

SCHEMA = "read_models"


@dataclass(frozen=True)
class Place:
    """How far a generation has got, which version of the model filled it, and the hash of what it folded."""

    generation: int
    version: int
    position: int
    folded: int
    hash: bytes


def table_of(name: str, generation: int) -> sql.Identifier:
    """A table's name in SQL."""
    return sql.Identifier(SCHEMA, f"{name}_v{generation}")


class Generation:
    """Writes one generation; every write moves its position from where this object knows it to be."""

    def __init__(self, model: ReadModel, place: Place) -> None:
        self._model, self.place = model, place
        self._columns = {table.name: table.key for table in model.tables if table.key}
        self._inserts = {table.name: _insert(table, place.generation) for table in model.tables}
        self._ends = {table.name: _end(table, place.generation) for table in model.tables if table.key}

    async def take(self, session: Session, batch: Sequence[Recorded], upto: int) -> None:
        """Inside a transaction; if that fails, what this object knows is void. Raises FollowerMoved."""
        folded = fold(self._model, batch)
        before = self.place
        after = Place(
            generation=before.generation,
            version=self._model.version,
            position=upto,
            folded=before.folded + folded.count,
            hash=((int.from_bytes(before.hash, "big") + folded.hash) % MODULUS).to_bytes(32, "big"),
        )
        # The position first: who comes second waits here, and then finds it moved.
        moved = await session.execute(
            "UPDATE read_models.follower_positions"
            " SET version = %s, position = %s, folded = %s, hash = %s"
            " WHERE name = %s AND generation = %s AND position = %s",
            [
                after.version, after.position, after.folded, after.hash,
                self._model.name, before.generation, before.position,
            ],
        )  # fmt: skip
        if moved.rowcount != 1:
            raise FollowerMoved(self._model.name, before.generation, before.position)
        await self._write(session, folded)
        self.place = after

    async def _write(self, session: Session, folded: Folded) -> None:
        for table, ends in ends_of(folded, self._columns).items():
            await session.execute(self._ends[table], [ends.decode()])
        for table, rows in folded.rows.items():
            await session.execute(self._inserts[table], [(b"[" + b",".join(rows) + b"]").decode()])


def _insert(table: Table, generation: int) -> sql.Composed:
    # COPY is refused under row-level security; one parameter of JSON is measured to be about as quick.
    return sql.SQL(
        "INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)"
    ).format(table=table_of(table.name, generation))


def _end(table: Table, generation: int) -> sql.Composed:
    named = [sql.Identifier(column) for column in table.key]
    return sql.SQL(
        "UPDATE {table} AS held SET valid_to = ended.valid_to"
        " FROM json_to_recordset(%s::json) AS ended(tenant text, valid_to bigint, {columns})"
        " WHERE held.tenant = ended.tenant AND {same} AND held.valid_to IS NULL"
    ).format(
        table=table_of(table.name, generation),
        columns=sql.SQL(", ").join(sql.SQL("{} text").format(name) for name in named),
        same=sql.SQL(" AND ").join(sql.SQL("held.{0} = ended.{0}").format(name) for name in named),
    )
