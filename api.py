"""The Starlette app: lifespan, middleware, the route table."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

import actors  # noqa: F401  # declares the broker that the routes send to
from routes.api import (
    books,
    cluster,
    dead_letters,
    document_versions,
    documents,
    events,
    imports,
    keys,
    queues,
    readers,
    recommendation_models,
    recommendations,
    rerank,
    runs,
    schedules,
    students,
    users,
)
from routes.console.forms import LOGIN_ROUTES, form_routes
from routes.console.views import PAGES
from routes.http.group_commit import GroupCommit
from routes.http.middleware import BoundedBody, EncodedPath, RequestId, SecurityHeaders, Trace
from routes.http.openapi import openapi_operations
from routes.http.problems import HANDLERS
from routes.http.quick_reads import QuickReads, quick_connections, quick_reads
from routes.library.imports import ROUTES as IMPORT_ROUTES
from routes.library.reader import ROUTES as READER_ROUTES
from routes.library.views import ACTS, DOWNLOADS
from routes.library.views import PAGES as LIBRARY_PAGES
from workers.books.arrays import Scoring
from workers.books.query_vector import warmed
from workers.core.boot import open_process
from workers.core.logs import configure_logging
from workers.core.settings import settings

STATIC = Path(__file__).parent / "static"

OPERATIONS = (
    *events.OPERATIONS,
    *imports.OPERATIONS,
    *students.OPERATIONS,
    *books.OPERATIONS,
    *runs.OPERATIONS,
    *document_versions.OPERATIONS,
    *documents.OPERATIONS,
    *rerank.OPERATIONS,
    *recommendation_models.OPERATIONS,
    *recommendations.OPERATIONS,
    *users.OPERATIONS,
    *queues.OPERATIONS,
    *dead_letters.OPERATIONS,
    *schedules.OPERATIONS,
    *cluster.OPERATIONS,
    *keys.OPERATIONS,
    *readers.OPERATIONS,
)


@asynccontextmanager
async def lifespan(
    app: Starlette,  # noqa: ARG001  # Starlette's signature
) -> AsyncIterator[Mapping[str, QuickReads | GroupCommit | Scoring]]:
    """Open the process and close it, whatever becomes of the app in between."""
    configure_logging()
    # The reads of the event loop have connections of their own.
    threads = settings().postgres_pool_size - quick_connections()
    with open_process("web", connections=threads), closing(Scoring()) as scoring, warmed():
        async with quick_reads() as reads:
            yield {
                "reads": reads,
                "commits": GroupCommit(),
                "deletions": GroupCommit(),
                "scoring": scoring,
            }


app = Starlette(
    routes=[
        *(operation.route() for operation in (*OPERATIONS, *openapi_operations(OPERATIONS))),
        *(page.route() for page in (*PAGES, *LIBRARY_PAGES)),
        *(act.route() for act in ACTS),
        *(download.route() for download in DOWNLOADS),
        *form_routes(OPERATIONS),
        *LOGIN_ROUTES,
        *READER_ROUTES,
        *IMPORT_ROUTES,
        Mount("/static", StaticFiles(directory=STATIC)),
    ],
    middleware=[
        Middleware(RequestId),
        Middleware(Trace),
        Middleware(SecurityHeaders),
        Middleware(EncodedPath),
        Middleware(BoundedBody),
    ],
    exception_handlers=HANDLERS,
    lifespan=lifespan,
)
