"""Ask a language model: any endpoint that speaks OpenAI's chat completions, bounded in every way.

While it fails, nobody asks: a pause that doubles with each failure in a row is shared by all
processes, as that of the embeddings provider is (`workers/embedding/limits.py`).
"""

import json
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind

from workers.core.errors import ProviderUnavailableError
from workers.core.metrics import CHAT_ERRORS, CHAT_REQUESTS
from workers.core.process import per_process, until_exit
from workers.core.settings import settings
from workers.core.tracing import span
from workers.embedding.limits import CHAT, pause, paused_s

if TYPE_CHECKING:
    import httpx2

OPENAI_BASE_URL = "https://api.openai.com/v1"
MAX_ANSWER_BYTES = 200_000


@dataclass(frozen=True)
class ChatModel:
    """Where a model is asked; `api_key` is None for an endpoint that wants none."""

    name: str
    base_url: str
    api_key: str | None


def chat_model() -> ChatModel | None:
    """Return the model of the settings; None when words are left to rules.

    The key of one provider is never sent to another: where the chat has an address or a key of its
    own, it has nothing of the embeddings provider's.
    """
    config = settings()
    if config.chat_model is None:
        return None
    if config.chat_base_url or config.chat_api_key:
        url, key = config.chat_base_url, config.chat_api_key
    else:
        url, key = config.openai_base_url, config.openai_api_key
    return ChatModel(
        config.chat_model,
        (url or OPENAI_BASE_URL).rstrip("/"),
        key.get_secret_value() if key else None,
    )


def ask_chat(model: ChatModel, instructions: str, question: str) -> str:
    """Ask once, and return what the model wrote; whoever can use that reports the success.

    Raises:
        ProviderUnavailableError: it is paused, does not answer in time, refuses, or answers with
            what is none of the protocol's; a pause began.
        redis.RedisError: whether it is paused cannot be read.
    """
    remaining_s = paused_s(CHAT)
    if remaining_s > 0:
        raise ProviderUnavailableError("the chat model is paused after an error", remaining_s)
    CHAT_REQUESTS.add(1, model=model.name)
    body = {
        "model": model.name,
        "messages": [
            {"role": "system", "content": instructions},
            {"role": "user", "content": question},
        ],
    }
    with span("chat", SpanKind.CLIENT, attributes={"model": model.name}):
        data = _post(model, body)
    text = _content(data)
    if text is None:
        CHAT_ERRORS.add(1, kind="answer")
        raise ProviderUnavailableError("the chat model's answer cannot be read", pause(None, CHAT))
    return text


def _post(model: ChatModel, body: object) -> bytes:
    """Send a request, and read no more of the answer, and for no longer, than there is use for."""
    # Imported when a model is asked: most processes ask none.
    import httpx2  # noqa: PLC0415  # see above

    deadline = time.monotonic() + settings().chat_timeout_seconds
    headers = {"authorization": f"Bearer {model.api_key}"} if model.api_key else {}
    data = bytearray()
    try:
        with _client().stream(
            "POST", f"{model.base_url}/chat/completions", json=body, headers=headers
        ) as answer:
            if answer.status_code != HTTPStatus.OK:
                CHAT_ERRORS.add(1, kind=str(answer.status_code))
                reason = f"the chat model answered {answer.status_code}"
                raise ProviderUnavailableError(
                    reason, pause(answer.headers.get("retry-after"), CHAT)
                )
            for part in answer.iter_bytes():
                data += part
                if len(data) > MAX_ANSWER_BYTES:
                    break
                if time.monotonic() > deadline:
                    raise httpx2.ReadTimeout("the answer comes too slowly")
    except httpx2.HTTPError as error:
        kind = "timeout" if isinstance(error, httpx2.TimeoutException) else "connection"
        CHAT_ERRORS.add(1, kind=kind)
        raise ProviderUnavailableError(f"chat {kind}: {error}", pause(None, CHAT)) from error
    return bytes(data[: MAX_ANSWER_BYTES + 1])


def _content(data: bytes) -> str | None:
    """Find what the model wrote; None in what is no answer of the protocol."""
    if len(data) > MAX_ANSWER_BYTES:
        return None
    try:
        content = json.loads(data)["choices"][0]["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return content if isinstance(content, str) else None


@per_process
def _client() -> "httpx2.Client":
    """Keep one connection alive: a handshake would take a good part of the time there is."""
    import httpx2  # noqa: PLC0415  # as above

    return until_exit(httpx2.Client(timeout=settings().chat_timeout_seconds))
