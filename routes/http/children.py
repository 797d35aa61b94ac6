"""Whose children a caller may ask about: a teacher's key knows those of its homerooms alone.

A child of another homeroom is answered as one that does not exist: 404, unknown_student.
"""

from collections.abc import Sequence

from starlette.requests import Request

from routes.http.access import Caller, caller_of
from routes.http.parameters import path_id
from routes.http.quick_reads import fetch as fetch_on_loop
from workers.core.api_keys import Role
from workers.core.reads import fetch
from workers.students.homerooms import children_query

STUDENT_ID = path_id("student_id")


def check_children(caller: Caller, student_ids: Sequence[str]) -> None:
    """Let a question about these students pass, in a thread.

    Raises:
        UnknownKeyError: the caller is a teacher, and one of them is no child of theirs.
    """
    if caller.role is Role.teacher:
        fetch(children_query(student_ids, caller.homerooms))


def check_child(request: Request) -> None:
    """Let a request pass whose path names a student; raises as `check_children`."""
    if caller_of(request).role is Role.teacher:
        check_children(caller_of(request), [_named(request)])


async def check_child_on_loop(request: Request) -> None:
    """Let a request pass whose path names a student; raises as `check_children`."""
    caller = caller_of(request)
    if caller.role is Role.teacher:
        await fetch_on_loop(request, children_query([_named(request)], caller.homerooms))


def _named(request: Request) -> str:
    return STUDENT_ID.parse(request.path_params["student_id"])
