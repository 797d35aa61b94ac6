"""What a list of events does: the outcome of each, and what it makes stale.

Shared by the files that lay facts over the tables, one per subject.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from workers.core.vocabulary import Kind
from workers.ingest.events import Event

EventOutcome = Literal["inserted", "updated", "unchanged", "deleted", "duplicate"]
Identified = tuple[UUID, Event]


@dataclass
class Effects:
    """What a list of events did.

    `outcomes` has one entry per event; `stale` maps kind and key to the events that made the
    key stale.
    """

    outcomes: dict[UUID, EventOutcome] = field(default_factory=dict)
    stale: dict[Kind, dict[str, set[UUID]]] = field(
        default_factory=lambda: {kind: defaultdict(set) for kind in Kind}
    )

    def note(self, kind: Kind, key: str, event_id: UUID) -> None:
        """Note that the event made the key stale."""
        self.stale[kind][key].add(event_id)

    def consequential(self) -> set[UUID]:
        """Find the events that changed a row or made something stale."""
        changed = {event_id for event_id, what in self.outcomes.items() if what != "unchanged"}
        causes = (events for keys in self.stale.values() for events in keys.values())
        return changed.union(*causes)

    def forget(self, kinds: Sequence[Kind], key: str) -> None:
        """Forget the keys of what is deleted: it has nothing to be fresh."""
        for kind in kinds:
            self.stale[kind].pop(key, None)


@dataclass(frozen=True)
class Merged:
    """Events about the same row merged into one set of fields; later ones win.

    `repeats` judges every event but a row's first by what it added to those before it.
    """

    keys: dict[UUID, Hashable]
    facts: dict[Hashable, dict[str, object]]
    repeats: dict[UUID, EventOutcome]

    def judge(self, effects: Effects, inserted: set[Hashable], updated: set[Hashable]) -> None:
        """Give every event its outcome, once it is known what happened to the rows."""
        for event_id, key in self.keys.items():
            if key in inserted or key in updated:
                first: EventOutcome = "inserted" if key in inserted else "updated"
                effects.outcomes[event_id] = self.repeats.get(event_id, first)
            else:
                effects.outcomes[event_id] = "unchanged"


def merge(events: Sequence[Identified], *identity: str) -> Merged:
    """Merge events into one set of fields per row, which the fields of `identity` name."""
    merged = Merged({}, {}, {})
    for event_id, event in events:
        parts = tuple(getattr(event, name) for name in identity)
        key: Hashable = parts[0] if len(parts) == 1 else parts
        facts = event.facts(*identity)
        merged.keys[event_id] = key
        known = merged.facts.setdefault(key, facts)
        if known is not facts:
            adds = any(name not in known or known[name] != facts[name] for name in facts)
            merged.repeats[event_id] = "updated" if adds else "unchanged"
            known.update(facts)
    return merged


def returned_ids(
    conn: psycopg.Connection,
    sql: str,
    ids: Sequence[object],
    facts: Sequence[Mapping[str, object]] = (),
) -> set[Hashable]:
    """Run a statement over ids (and their facts) and return the ids it returns."""
    parameters = {"ids": list(ids), "facts": [Jsonb(fact) for fact in facts]}
    return {key for (key,) in conn.execute(sql, parameters)}
