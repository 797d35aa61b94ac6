"""Users' interests: a scheduled run over everybody, and the reads behind them.

`python -m bench.users [--actions 1000000] [--posts 50000] [--users 20000]` on the embedded stack.
In the same run: the originals' loop over a sample of the same users, and a user with 100,000
actions among the others.
"""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench import originals_users as originals
from bench.report import Figure, print_table, write_json
from bench.stack import prepared
from workers.core.settings import settings
from workers.core.stores import connect, connection, stores
from workers.jobs.runs import RunKind, create_run, read_run
from workers.users.index import index_users
from workers.users.read import find_similar, read_embedding
from workers.users.recommend import recommend_posts
from workers.users.runs import recompute_users
from workers.users.score_posts import score_posts

DIMENSIONS = 384
TOPICS = 200
ORIGINALS_SAMPLE = 200
HEAVY_ACTIONS = 100_000
READS = 500
ACTIONS = ("view_post", "like_post", "comment_post", "bookmark_post", "share_post")
SHARES = (0.7, 0.15, 0.05, 0.05, 0.05)


def main() -> None:
    """Populate a database, measure, print and write."""
    parser = argparse.ArgumentParser(description="Measure users' interests.")
    parser.add_argument("--actions", type=int, default=1_000_000)
    parser.add_argument("--posts", type=int, default=50_000)
    parser.add_argument("--users", type=int, default=20_000)
    sizes = parser.parse_args()
    with prepared():
        title = f"{sizes.users:,} users, {sizes.posts:,} posts, {sizes.actions:,} actions"
        populate(np.random.default_rng(1), sizes.actions, sizes.posts, sizes.users)
        figures = measure(sizes.users)
    print_table(title, figures)
    print(f"\nwritten: {write_json('users', {title: figures})}")


def measure(users: int) -> list[Figure]:
    """All figures."""
    everyone = [f"U{n:06}" for n in range(users)]
    sample = everyone[:: max(1, users // ORIGINALS_SAMPLE)][:ORIGINALS_SAMPLE]
    originals.create()
    originals_rate = len(sample) / originals.recompute(sample)
    figures = [Figure("originals' loop", originals_rate, "users/s")]

    for name in ("first run, new vectors", "second run, vectors replaced, index kept"):
        raise_everyone()
        rate = len(everyone) / seconds(scheduled_run)
        figures.append(Figure(name, rate, "users/s", "originals' loop", rate / originals_rate))
        with connect() as conn:
            index_users(conn)
    add_heavy_user()
    alone = seconds(lambda: run_over(["heavy"]))
    figures.append(Figure(f"a user with {HEAVY_ACTIONS:,} actions, alone", alone, "s"))
    raise_everyone()
    rate = (len(everyone) + 1) / seconds(scheduled_run)
    figures.append(
        Figure("run with that user", rate, "users/s", "originals' loop", rate / originals_rate)
    )
    figures.append(Figure("engagement of all posts", seconds(score_posts), "s"))
    with connection() as conn:
        conn.execute("VACUUM ANALYZE")

    readers = np.random.default_rng(2).choice(everyone, READS).tolist()
    figures += latency("embedding, hit", readers, read_embedding)

    def miss(user_id: str) -> object:
        return read_embedding(user_id)

    def forget(user_id: str) -> None:
        stores().redis.delete(f"user:{user_id}:embedding")

    figures += latency("embedding, miss", readers, miss, before=forget)
    figures += latency("similar users", readers, lambda user_id: find_similar(user_id, 10))
    figures += latency("recommendations", readers, lambda user_id: recommend_posts(user_id, 10))
    figures += latency(
        "recommendations, heavy user", ["heavy"] * 100, lambda user_id: recommend_posts(user_id, 10)
    )
    strangers = [f"stranger {n}" for n in range(200)]
    figures += latency("cold start", strangers, lambda user_id: recommend_posts(user_id, 10))
    figures.append(Figure("recall@10 of similar users", similar_recall(readers[:100]), ""))
    figures.append(Figure("recall@50 of candidates", candidates_recall(readers[:50]), ""))
    return figures


def populate(chance: np.random.Generator, actions: int, posts: int, users: int) -> None:
    """Posts around topics, popular ones far more often acted upon; each user likes three topics."""
    topics = chance.standard_normal((TOPICS, DIMENSIONS)).astype(np.float32)
    topic_of = chance.integers(TOPICS, size=posts)
    vectors = topics[topic_of] + 0.7 * chance.standard_normal((posts, DIMENSIONS)).astype(
        np.float32
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    now = time.time()
    published = now - chance.uniform(0, 60 * 86400, posts)
    with connection() as conn:
        with conn.cursor().copy("COPY posts (post_id, text, created_at) FROM STDIN") as copy:
            for n in range(posts):
                at = datetime.fromtimestamp(published[n], UTC)
                copy.write_row((f"P{n:06}", f"post {n}", at))
        with conn.cursor().copy("COPY users (user_id) FROM STDIN") as copy:
            for n in range(users):
                copy.write_row((f"U{n:06}",))
        # As a bulk load does it: the index is built over what is there.
        conn.execute("DROP INDEX post_embeddings_hnsw")
        with conn.cursor().copy(
            "COPY post_embeddings (post_id, model, content_hash, embedding)"
            " FROM STDIN WITH (FORMAT binary)"
        ) as copy:
            copy.set_types(["text", "text", "bytea", "vector"])
            for n in range(posts):
                copy.write_row((f"P{n:06}", settings().post_embedding.model, bytes(32), vectors[n]))
        conn.execute("SET maintenance_work_mem = '512MB'")
        conn.execute(
            "CREATE INDEX post_embeddings_hnsw ON post_embeddings USING hnsw"
            " ((embedding::halfvec(384)) halfvec_cosine_ops)"
            " WITH (m = 16, ef_construction = 64)"
        )
        by_topic = [np.flatnonzero(topic_of == topic) for topic in range(TOPICS)]
        with conn.cursor().copy(
            "COPY action_log (user_id, post_id, action, created_at) FROM STDIN"
        ) as copy:
            tastes = chance.integers(TOPICS, size=(users, 3))
            who = chance.integers(users, size=actions)
            what = chance.choice(len(ACTIONS), size=actions, p=SHARES)
            when = now - chance.uniform(0, 29 * 86400, actions)
            for user, action, at in zip(who.tolist(), what.tolist(), when.tolist(), strict=True):
                post = pick(chance, by_topic[tastes[user, chance.integers(3)]], posts)
                copy.write_row(
                    (
                        f"U{user:06}",
                        f"P{post:06}",
                        ACTIONS[action],
                        datetime.fromtimestamp(at, UTC),
                    )
                )
        conn.execute("VACUUM ANALYZE")


def pick(chance: np.random.Generator, of_topic: NDArray[np.int64], posts: int) -> int:
    """Mostly a post of the topic, the first ones more often; else any."""
    if len(of_topic) and chance.random() < 0.9:
        return int(of_topic[int(len(of_topic) * chance.random() ** 2)])
    return int(chance.integers(posts))


def raise_everyone() -> None:
    """Let every user have something new."""
    with connection() as conn:
        conn.execute(
            "INSERT INTO freshness (kind, key, stale_since, not_before)"
            " SELECT 'user_embedding', user_id, now(), 'infinity' FROM users"
            " ON CONFLICT (kind, key) DO UPDATE SET wanted = freshness.wanted + 1,"
            " stale_since = now(), not_before = 'infinity'"
        )


def scheduled_run() -> None:
    """What the schedule does; nobody may be left."""
    run_id = create_run(RunKind.recompute_users)
    recompute_users(run_id)
    run = read_run(run_id)
    assert (run.state, run.failed) == ("done", 0)
    with connection() as conn:
        left = conn.execute(
            "SELECT count(*) FROM freshness WHERE kind = 'user_embedding' AND wanted > done"
        ).fetchone()
    assert left == (0,)


def run_over(user_ids: list[str]) -> None:
    """A run in which only these are due."""
    with connection() as conn:
        conn.execute(
            "INSERT INTO freshness (kind, key, stale_since, not_before)"
            " SELECT 'user_embedding', unnest(%s::text[]), now(), 'infinity'"
            " ON CONFLICT (kind, key) DO UPDATE SET wanted = freshness.wanted + 1,"
            " stale_since = now(), not_before = 'infinity'",
            [user_ids],
        )
    scheduled_run()


def add_heavy_user() -> None:
    """Somebody who does more than everybody else."""
    with connection() as conn:
        conn.execute("INSERT INTO users (user_id) VALUES ('heavy')")
        conn.execute(
            "INSERT INTO action_log (user_id, post_id, action, created_at)"
            " SELECT 'heavy', ids[1 + mod(n * 7, cardinality(ids) / 2)], 'view_post',"
            "  now() - n * interval '10 s'"
            " FROM generate_series(1, %s) n,"
            " (SELECT array_agg(post_id ORDER BY md5(post_id)) AS ids FROM posts) p",
            [HEAVY_ACTIONS],
        )


def similar_recall(user_ids: list[str]) -> float:
    """Share of the exact nearest ten users that the index finds."""
    recalls = []
    for user_id in user_ids:
        with connection() as conn:
            exact = conn.execute(
                "SELECT e.user_id FROM user_embeddings e, user_embeddings u"
                " WHERE u.user_id = %(user_id)s AND e.user_id <> u.user_id"
                " ORDER BY e.embedding <=> u.embedding LIMIT 10",
                {"user_id": user_id},
            ).fetchall()
        found = {each.user_id for each in find_similar(user_id, 10)}
        recalls.append(len({near for (near,) in exact} & found) / 10)
    return float(np.mean(recalls))


def candidates_recall(user_ids: list[str]) -> float:
    """Share of the exact nearest fifty unseen posts that the index finds."""
    recalls = []
    for user_id in user_ids:
        with connection() as conn:
            exact = conn.execute(
                "SELECT e.post_id FROM post_embeddings e, user_embeddings u"
                " WHERE u.user_id = %(user_id)s AND NOT EXISTS (SELECT FROM action_log a"
                "  WHERE a.user_id = %(user_id)s AND a.post_id = e.post_id)"
                " ORDER BY e.embedding <=> u.embedding LIMIT 50",
                {"user_id": user_id},
            ).fetchall()
        found = {each.post_id for each in recommend_posts(user_id, 200).recommendations}
        recalls.append(len({post_id for (post_id,) in exact} & found) / 50)
    return float(np.mean(recalls))


def latency(
    name: str,
    user_ids: list[str],
    work: Callable[[str], object],
    before: Callable[[str], object] = lambda _: None,
) -> list[Figure]:
    """Milliseconds of the work for each user: p50 and p99."""
    times = []
    for user_id in user_ids[:5] + user_ids:
        before(user_id)
        times.append(1000 * seconds(partial(work, user_id)))
    p50, p99 = np.percentile(times[5:], [50, 99])
    return [Figure(f"{name}, p50", p50, "ms"), Figure(f"{name}, p99", p99, "ms")]


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
