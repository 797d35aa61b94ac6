"""The OpenAPI document and a page to browse it, made from the table of operations."""

import json
import re
from collections.abc import Sequence
from html import escape
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from starlette.responses import HTMLResponse, JSONResponse, Response

from routes.http.operations import OPEN, Operation
from routes.http.parameters import Parameter

DETAILS = ("parameters", "requestBody", "responses")
REF = "#/components/schemas/{model}"


class ProblemOut(BaseModel):
    """A problem as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None
    reason: str | None = None
    errors: list[dict[str, object]] = []


PROBLEM = TypeAdapter(ProblemOut)


def openapi_operations(described: Sequence[Operation]) -> tuple[Operation, ...]:
    """Make the operations that serve the document and the page about `described`."""
    document = build_document(described)
    page = render_page(document)

    def get_openapi() -> Response:
        return JSONResponse(document)

    def get_docs() -> Response:
        return HTMLResponse(page)

    return (
        Operation(
            method="GET",
            path="/openapi.json",
            handler=get_openapi,
            summary="This document.",
            role=OPEN,
        ),
        Operation(
            method="GET",
            path="/docs",
            handler=get_docs,
            summary="This document as a page.",
            role=OPEN,
        ),
    )


def build_document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Build OpenAPI 3.1 of the operations, with the schemas of the models that validate."""
    adapters: list[tuple[str, Any, TypeAdapter[Any]]] = [("problem", "serialization", PROBLEM)]
    for operation in operations:
        if operation.answers:
            adapters.append((_key(operation), "serialization", operation.answers))
        for media_type, body in operation.accepts.items():
            if body:
                adapters.append((_key(operation) + media_type, "validation", body))
    schemas, definitions = TypeAdapter.json_schemas(adapters, ref_template=REF)
    by_key = {key: schema for (key, _), schema in schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(
            operation, by_key
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kinfold",
            "version": "1",
            "description": "Embeddings, neighbour graphs and recommendations, fresh from activity.",
        },
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _key(operation: Operation) -> str:
    return f"{operation.method} {operation.path} "


def _describe(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    success = (
        {"application/json": {"schema": schemas[_key(operation)]}}
        if operation.answers
        else {"text/plain": {"schema": {"type": "string"}}}
    )
    problem = {"application/problem+json": {"schema": schemas["problem"]}}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [_parameter(each) for each in operation.parameters],
        "security": [] if operation.role is None else [{"key": []}],
        "x-role": operation.role.name if operation.role else "open",
        "responses": {
            **{
                str(status): _response(status, success)
                for status in (operation.status, *operation.alike)
            },
            **{str(status): _response(status, problem) for status in operation.refusals},
        },
    }
    if operation.accepts:
        described["requestBody"] = {
            "required": True,
            "content": {
                media_type: {
                    "schema": schemas[_key(operation) + media_type] if body else {"type": "string"}
                }
                for media_type, body in operation.accepts.items()
            },
        }
    return described


def _parameter(parameter: Parameter[Any]) -> dict[str, Any]:
    described = {"description": parameter.description} if parameter.description else {}
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.needed,
        "schema": parameter.schema,
        **described,
    }


def _response(status: int, content: dict[str, Any]) -> dict[str, Any]:
    names = ["X-Request-ID", *(["WWW-Authenticate"] if status == HTTPStatus.UNAUTHORIZED else [])]
    return {
        "description": HTTPStatus(status).phrase,
        "headers": {name: {"required": True, "schema": {"type": "string"}} for name in names},
        "content": content,
    }


def render_page(document: dict[str, Any]) -> str:
    """Render the document as plain HTML that needs nothing from elsewhere."""
    sections = [
        f"<section><h2><b>{method.upper()}</b> <code>{escape(path)}</code></h2>"
        f"<p>{escape(described['summary'])} Key: {described['x-role']}.</p>"
        f"<details><summary>Request and responses</summary>"
        f"<pre>{_pretty({name: described[name] for name in DETAILS if name in described})}"
        "</pre></details></section>"
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
    schemas = [
        f"<details id='{escape(name)}'><summary>{escape(name)}</summary>"
        f"<pre>{_pretty(schema)}</pre></details>"
        for name, schema in document["components"]["schemas"].items()
    ]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Kinfold API</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<link rel='stylesheet' href='/static/console.css'><body class='docs'><main>"
        f"<h1>Kinfold API</h1><p>{escape(document['info']['description'])} "
        "The document itself: <a href='/openapi.json'>/openapi.json</a>.</p>"
        f"{''.join(sections)}<h1>Schemas</h1>{''.join(schemas)}</main></html>"
    )


def _pretty(value: object) -> str:
    """Indent JSON, with links for its references to schemas."""
    text = escape(json.dumps(value, indent=2, ensure_ascii=False), quote=False)
    return re.sub(r'"#/components/schemas/([^"]+)"', r'"<a href="#\1">\1</a>"', text)
