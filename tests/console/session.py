"""A login to the console, and the token that its forms carry."""

import re
from html import unescape

from starlette.testclient import TestClient

from tests.api.test_access import SECRETS, let_teachers_in
from workers.core.api_keys import Role


def log_in(client: TestClient, role: Role) -> None:
    client.cookies.clear()
    let_teachers_in()
    answer = client.post("/login", data={"key": SECRETS[role], "next": "/console/queues"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/queues")


def token(client: TestClient) -> str:
    found = re.search(r'name="token" value="([^"]+)"', client.get("/console/queues").text)
    assert found is not None
    return unescape(found[1])
