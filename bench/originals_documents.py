"""The design that Kinfold is compared with: one request per document, JSON text, one SET each."""

import json
import time

from workers.core.settings import settings
from workers.core.stores import stores
from workers.documents.source import Unreadable, documents_between, ids_after
from workers.embedding.embedders import embedder

TTL_S = 30 * 86_400


def naive_rate(count: int) -> float:
    """Documents per second."""
    chosen = embedder(settings().document_embedding)
    last = ids_after("", count)[-1]
    started = time.perf_counter()
    for row in documents_between(None, last):
        assert not isinstance(row, Unreadable)
        (vector,) = chosen.embed_batch([f"{row['title']} {row['body']}"[:5000]])
        value = {"emb": [float(component) for component in vector], "dim": len(vector)}
        text = json.dumps(value | {"ver": "naive", "ts": time.time()})
        stores().redis.set(f"naive:{row['doc_id']}", text, ex=TTL_S)
    return count / (time.perf_counter() - started)
