"""The keys of data subjects: found or made before an event is sealed, and found again to open it."""

import secrets
from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from time import monotonic

from cachetools import TTLCache

from adapters.event_store.sealing import SubjectKey
from adapters.event_store.storage import Storage
from adapters.event_store.writes import KeyUse
from adapters.keys.master import MasterKey
from application.ports import Clock

KEPT_SECONDS = 60
"""How long a key stays in memory: other processes forget an erased one within this time."""
KEPT_KEYS = 50_000


Subject = tuple[str, str]
"""A tenant and a data subject of it, by the name the domain gives it."""


@dataclass
class Ring:
    """The keys one write is sealed with, and how each is used."""

    by_subject: dict[Subject, SubjectKey] = field(default_factory=dict[Subject, SubjectKey])
    uses: list[KeyUse] = field(default_factory=list[KeyUse])

    def add(self, subject: Subject, key: SubjectKey, wrapped: bytes | None = None) -> None:
        """A key that is there already, or, with `wrapped`, one to be stored."""
        self.by_subject[subject] = key
        self.uses.append(KeyUse(subject[0], key.subject, key.key_id, wrapped))


class Keyring:
    """Caches keys; makes new ones, which are stored by the very write that first uses them."""

    def __init__(self, storage: Storage, master_key: MasterKey, clock: Clock) -> None:
        self._storage, self._master, self._clock = storage, master_key, clock
        self._living = TTLCache[Subject, SubjectKey](KEPT_KEYS, KEPT_SECONDS, monotonic)
        """By tenant and pseudonym."""
        self._by_id = TTLCache[str, SubjectKey](KEPT_KEYS, KEPT_SECONDS, monotonic)

    async def for_writing(self, subjects: Iterable[Subject], surely_new: Container[Subject] = ()) -> Ring:
        """A key for each subject; those that are surely new are not looked for."""
        ring, unknown = Ring(), defaultdict[str, dict[str, Subject]](dict)
        for subject in subjects:
            pseudonym = self._master.pseudonym(*subject)
            known = self._living.get((subject[0], pseudonym))
            if known is not None:
                ring.add(subject, known)
            elif subject in surely_new:
                self._make(ring, subject, pseudonym)
            else:
                unknown[subject[0]][pseudonym] = subject
        for tenant, missing in unknown.items():
            for found in await self._storage.living_keys(tenant, list(missing)):
                assert found.wrapped is not None, "a living key has its secret"
                key = SubjectKey(found.key_id, found.subject, self._master.unwrap(found.wrapped))
                self._living[tenant, found.subject] = key
                ring.add(missing.pop(found.subject), key)
            for pseudonym, subject in missing.items():
                self._make(ring, subject, pseudonym)
        return ring

    def _make(self, ring: Ring, subject: Subject, pseudonym: str) -> None:
        secret = secrets.token_bytes(32)
        ring.add(subject, SubjectKey(self._clock.new_id(), pseudonym, secret), self._master.wrap(secret))

    def written(self, ring: Ring) -> None:
        """The ring's keys are on disk: use them from now on."""
        keys = {key.key_id: key for key in ring.by_subject.values()}
        for use in ring.uses:
            self._living[use.tenant, use.subject] = self._by_id[use.key_id] = keys[use.key_id]

    def moved(self, ring: Ring) -> None:
        """Somebody else made or destroyed one of these keys: look them up again."""
        for use in ring.uses:
            self._living.pop((use.tenant, use.subject), None)
            self._by_id.pop(use.key_id, None)

    async def for_reading(self, tenant: str | None, key_ids: set[str]) -> dict[str, SubjectKey]:
        """Keys by id: those that are known, destroyed ones without their secret."""
        found = {key_id: key for key_id in key_ids if (key := self._by_id.get(key_id)) is not None}
        if missing := key_ids - found.keys():
            for kept in await self._storage.keys(tenant, list(missing)):
                secret = None if kept.wrapped is None else self._master.unwrap(kept.wrapped)
                key = SubjectKey(kept.key_id, kept.subject, secret)
                found[kept.key_id] = self._by_id[kept.key_id] = key
        return found

    async def erase(self, tenant: str, subject: str) -> int:
        """Destroy a subject's keys; what they sealed can never be read again. How many there were."""
        pseudonym = self._master.pseudonym(tenant, subject)
        destroyed = await self._storage.destroy_keys(tenant, pseudonym, self._clock.now())
        self.forget(tenant, subject)
        return destroyed

    def forget(self, tenant: str, subject: str) -> None:
        """Drop a subject's keys from memory."""
        pseudonym = self._master.pseudonym(tenant, subject)
        self._living.pop((tenant, pseudonym), None)
        for key_id in [i for i, key in self._by_id.items() if key.subject == pseudonym]:
            self._by_id.pop(key_id, None)
