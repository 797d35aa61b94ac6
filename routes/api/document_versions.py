"""Versions of the documents' vectors: list them, switch reads to one, go back."""

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from routes.http.operations import Operation, path_id, reply
from workers.core.api_keys import Role
from workers.documents.versions import Version, activate, list_versions, roll_back


class VersionsOut(BaseModel):
    """All versions, the one that is read first."""

    versions: list[Version]


VERSIONS = TypeAdapter(VersionsOut)


def get_versions(request: Request) -> Response:  # noqa: ARG001  # handlers share one signature
    """All versions."""
    return reply(VERSIONS, VersionsOut(versions=list_versions()))


def post_activate(request: Request) -> Response:
    """Read another version from now on."""
    return reply(VERSIONS, VersionsOut(versions=activate(path_id(request, "version"))))


def post_rollback(request: Request) -> Response:  # noqa: ARG001
    """Read the previous version again."""
    return reply(VERSIONS, VersionsOut(versions=roll_back()))


OPERATIONS = (
    Operation(
        "GET",
        "/documents/versions",
        get_versions,
        "Versions of the documents' vectors: model, dimension, codec and state.",
        Role.read,
        VERSIONS,
        problems=(503,),
    ),
    Operation(
        "POST",
        "/documents/versions/{version}/activate",
        post_activate,
        "Switch all reads to a version that has been built, at once.",
        Role.admin,
        VERSIONS,
        problems=(404, 409, 422, 503),
        audited=True,
    ),
    Operation(
        "POST",
        "/documents/versions/rollback",
        post_rollback,
        "Switch all reads back to the version before, at once.",
        Role.admin,
        VERSIONS,
        problems=(409, 503),
        audited=True,
    ),
)
