"""Lay events about posts and users over the fact tables, and list what that made stale."""

from collections.abc import Sequence
from datetime import UTC, datetime

import psycopg

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.vocabulary import Kind
from workers.ingest.effects import Effects, Identified, merge, returned_ids
from workers.ingest.events import PostDeleted, UserAction, UserDeleted
from workers.ledger.freshness import forget_keys, lock_keys

INSERT_POSTS = query("ingest/apply_platform.insert_posts")
UPDATE_POSTS = query("ingest/apply_platform.update_posts")
INSERT_USERS = query("ingest/apply_platform.insert_users")
INSERT_ACTIONS = query("ingest/apply_platform.insert_actions")
LOCK_POSTS = query("ingest/apply_platform.lock_posts")
FIND_ACTORS = query("ingest/apply_platform.find_actors")
DELETE_POSTS = query("ingest/apply_platform.delete_posts")
DELETE_USERS = query("ingest/apply_platform.delete_users")

# What is derived of a post under its own id: stale with its facts, forgotten with it.
POST_KINDS = (Kind.post_embedding,)


def upsert_posts(conn: psycopg.Connection, events: Sequence[Identified], effects: Effects) -> None:
    """Store posts that are new or differ, and note what is derived of them as stale."""
    if not events:
        return
    merged = merge(events, "post_id")
    inserted = returned_ids(conn, INSERT_POSTS, list(merged.facts))
    updated = returned_ids(conn, UPDATE_POSTS, list(merged.facts), list(merged.facts.values()))
    merged.judge(effects, inserted, updated)
    for event_id, post_id in merged.keys.items():
        if post_id in inserted | updated:
            for kind in POST_KINDS:
                effects.note(kind, str(post_id), event_id)


def insert_actions(
    conn: psycopg.Connection, events: Sequence[Identified], effects: Effects
) -> None:
    """Store actions, with stubs for users and posts not known yet; twice the same counts twice."""
    if not events:
        return
    actions = [(event_id, event) for event_id, event in events if isinstance(event, UserAction)]
    now = datetime.now(UTC)
    returned_ids(conn, INSERT_POSTS, list({action.post_id for _, action in actions}))
    returned_ids(conn, INSERT_USERS, list({action.user_id for _, action in actions}))
    conn.execute(
        INSERT_ACTIONS,
        {
            "user_ids": [action.user_id for _, action in actions],
            "post_ids": [action.post_id for _, action in actions],
            "actions": [action.action for _, action in actions],
            "times": [action.created_at or now for _, action in actions],
        },
    )
    for event_id, action in actions:
        effects.outcomes[event_id] = "inserted"
        effects.note(Kind.user_embedding, action.user_id, event_id)


def lock_posts(conn: psycopg.Connection, ids: Sequence[str]) -> None:
    """Lock posts in the order in which everybody locks them, until the transaction ends."""
    conn.execute(LOCK_POSTS, {"ids": sorted(ids)})


def delete_posts(conn: psycopg.Connection, events: Sequence[Identified], effects: Effects) -> None:
    """Delete posts with their vectors and actions, and note who acted on them as stale."""
    if not events:
        return
    event_of = {
        event.post_id: event_id for event_id, event in events if isinstance(event, PostDeleted)
    }
    ids = sorted(event_of)
    lock_posts(conn, ids)
    for post_id, user_id in find_actors(conn, ids):
        effects.note(Kind.user_embedding, user_id, event_of[post_id])
    deleted = returned_ids(conn, DELETE_POSTS, ids)
    forget_keys(conn, POST_KINDS, ids)
    for event_id, event in events:
        if isinstance(event, PostDeleted):
            effects.forget(POST_KINDS, event.post_id)
            effects.outcomes[event_id] = "deleted" if event.post_id in deleted else "unchanged"


def delete_users(conn: psycopg.Connection, events: Sequence[Identified], effects: Effects) -> None:
    """Delete users with everything kept of them; the copy in Redis goes by `remove_user`."""
    if not events:
        return
    event_of = {
        event.user_id: event_id for event_id, event in events if isinstance(event, UserDeleted)
    }
    ids = sorted(event_of)
    # The ledger first, as a worker that stores a user's vector takes them.
    lock_keys(conn, Kind.user_embedding, ids)
    deleted = returned_ids(conn, DELETE_USERS, ids)
    forget_keys(conn, (Kind.user_embedding,), ids)
    for event_id, event in events:
        if isinstance(event, UserDeleted):
            effects.forget((Kind.user_embedding,), event.user_id)
            effects.outcomes[event_id] = "deleted" if event.user_id in deleted else "unchanged"
    for user_id in deleted:
        effects.note(Kind.user_removal, str(user_id), event_of[str(user_id)])


def find_actors(conn: psycopg.Connection, post_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Find pairs of a post and a user whose interests it is part of.

    Lock the posts before: an action that is being stored would otherwise be missed.
    """
    parameters = {"ids": list(post_ids), "look_back_days": settings().look_back_days}
    return conn.execute(FIND_ACTORS, parameters).fetchall()
