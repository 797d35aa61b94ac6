"""Versions of the documents' vectors: list them, switch reads to one, go back."""

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from routes.http.operations import Operation, reply
from routes.http.parameters import path_id
from workers.core.api_keys import Role
from workers.documents.versions import Version, activate, list_versions, roll_back


class VersionsOut(BaseModel):
    """All versions, the one that is read first."""

    versions: list[Version]


VERSIONS = TypeAdapter(VersionsOut)

VERSION = path_id("version")


def get_versions() -> Response:
    return reply(VERSIONS, VersionsOut(versions=list_versions()))


def post_activate(version: str) -> Response:
    """Switch reads to a version."""
    return reply(VERSIONS, VersionsOut(versions=activate(version)))


def post_rollback() -> Response:
    """Switch reads back to the previous version."""
    return reply(VERSIONS, VersionsOut(versions=roll_back()))


OPERATIONS = (
    Operation(
        method="GET",
        path="/documents/versions",
        handler=get_versions,
        summary="Versions of the documents' vectors: model, dimension, codec and state.",
        role=Role.read,
        answers=VERSIONS,
        problems=(503,),
    ),
    Operation(
        method="POST",
        path="/documents/versions/{version}/activate",
        handler=post_activate,
        parameters=(VERSION,),
        summary="Switch all reads to a version that has been built, at once.",
        role=Role.admin,
        answers=VERSIONS,
        problems=(
            404,
            409,
            503,
        ),
        audited=True,
    ),
    Operation(
        method="POST",
        path="/documents/versions/rollback",
        handler=post_rollback,
        summary="Switch all reads back to the version before, at once.",
        role=Role.admin,
        answers=VERSIONS,
        problems=(
            409,
            503,
        ),
        audited=True,
    ),
)
