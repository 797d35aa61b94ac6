"""Load the sample documents, once: only into an empty collection.

`python -m sample.load_documents` reads MONGO_URL, MONGO_DATABASE and MONGO_COLLECTION as Kinfold
does. The only place that writes to MongoDB.
"""

from itertools import islice

import structlog

from sample.documents import documents
from workers.core.boot import open_process
from workers.core.logs import configure_logging
from workers.documents.source import reading

BATCH = 1000

log = structlog.get_logger()


def load_documents() -> int:
    """Insert the sample unless there are documents; returns how many were inserted."""
    with reading() as collection:
        if collection.find_one({}, {"_id": 1}) is not None:
            log.info("sample_skipped", reason="the collection is not empty")
            return 0
        rows = documents()
        loaded = 0
        while batch := list(islice(rows, BATCH)):
            collection.insert_many(batch)
            loaded += len(batch)
        collection.create_index("doc_id")
        collection.create_index("modified_at")
    log.info("sample_loaded", collection=collection.name, documents=loaded)
    return loaded


if __name__ == "__main__":
    configure_logging()
    with open_process("command"):
        load_documents()
