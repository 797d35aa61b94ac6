"""Sessions of the console: a signed cookie that names a key, and the token of its forms."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from routes.http.access import LOCAL, Caller, refuse_strangers
from routes.http.problems import Problem
from workers.core.api_keys import ApiKey
from workers.core.settings import settings
from workers.core.stored_keys import known_keys
from workers.operations.ended_sessions import has_ended
from workers.operations.session_secret import session_secret

COOKIE = "kinfold_session"
FLASH = "kinfold_flash"
# Seconds until somebody has to log in again, a day's work, and until a message is not shown any
# more, which is longer than any page takes.
MAX_SESSION_S = 12 * 3600
FLASH_S = 60


@dataclass(frozen=True)
class Session:
    """Who is at the console; `token` must come with every form."""

    caller: Caller
    token: str


@dataclass(frozen=True)
class Flash:
    """What an act came to, shown once on the next page."""

    text: str
    ok: bool


def read_session(request: Request) -> Session | None:
    """Read the session of the cookie; None without one that is signed, recent and of a key.

    A session ends when somebody logs out of it, and when its key is removed or gets another digest.

    Raises:
        Problem: 403, no keys are configured and the request is not from this machine.
    """
    stored = _load(request, COOKIE, MAX_SESSION_S)
    if not settings().api_keys:
        refuse_strangers(request)
        token = stored.get("token") if stored else None
        return Session(LOCAL, str(token)) if token else None
    if stored is None or has_ended(str(stored["token"])):
        return None
    for key in known_keys():
        if key.name == stored.get("name") and hmac.compare_digest(
            _fingerprint(key), str(stored.get("key"))
        ):
            return Session(Caller.of(key), str(stored["token"]))
    return None


def start_session(response: Response, key: ApiKey | None) -> Session:
    """Begin a session of this key, or of everybody on this machine."""
    token = secrets.token_urlsafe(24)
    caller = Caller.of(key) if key else LOCAL
    fields: dict[str, object] = {
        "name": caller.name,
        "key": key and _fingerprint(key),
        "token": token,
    }
    _store(response, COOKIE, fields, MAX_SESSION_S)
    return Session(caller, token)


def end_session(response: Response) -> None:
    """Delete the cookie that names the key."""
    response.delete_cookie(COOKIE)


def check_token(session: Session, given: str | None) -> None:
    """Let a form through that this session's pages have made.

    Raises:
        Problem: 403, it was not.
    """
    if not hmac.compare_digest(session.token.encode(), (given or "").encode()):
        raise Problem(403, "this form is not of this session; load the page again")


def leave_flash(response: Response, flash: Flash) -> None:
    """Show this on the next page."""
    _store(response, FLASH, {"text": flash.text, "ok": flash.ok}, FLASH_S)


def take_flash(request: Request) -> Flash | None:
    """Read what the form before this page came to; the page's response forgets it."""
    stored = _load(request, FLASH, FLASH_S)
    return Flash(str(stored["text"]), bool(stored["ok"])) if stored else None


def local_path(text: str | None) -> str:
    """Choose where to go on: a page of the console or the library, and nothing else.

    >>> local_path("/console/queues?state=dead"), local_path("//elsewhere"), local_path(None)
    ('/console/queues?state=dead', '/', '/')
    """
    page = r"/(console/|library\b/?)[\w./%~:+-]*(\?[\w./%~:+=&,-]*)?"
    allowed = re.fullmatch(page, text or "", re.ASCII)
    return text if text and allowed else "/"


def _fingerprint(key: ApiKey) -> str:
    """Distinguish one digest from another, and reveal nothing of either."""
    return hmac.new(session_secret().encode(), key.digest.encode(), hashlib.sha256).hexdigest()


def _serializer(salt: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        session_secret(), salt=salt, signer_kwargs={"digest_method": hashlib.sha256}
    )


def _load(request: Request, name: str, max_age_s: int) -> dict[str, object] | None:
    text = request.cookies.get(name)
    if not text:
        return None
    try:
        fields: dict[str, object] = _serializer(name).loads(text, max_age=max_age_s)
    except BadSignature:
        return None
    return fields


def _store(response: Response, name: str, fields: dict[str, object], max_age_s: int) -> None:
    response.set_cookie(
        name,
        _serializer(name).dumps(fields),
        max_age=max_age_s,
        secure=settings().kinfold_env == "production",
        httponly=True,
        samesite="lax",
    )
