"""The environment variables that Kinfold reads, by subject: type, bounds, default, meaning.

A field is the variable of the same name in capitals. docs/settings.md is written from here, with
the first line of each class as its heading (scripts/write_docs.py).
"""

from typing import Annotated, Literal

from pydantic import Field, MongoDsn, PostgresDsn, RedisDsn, SecretStr
from pydantic_settings import BaseSettings, NoDecode

from workers.core.api_keys import ApiKey
from workers.core.vocabulary import Codec


class StoreVariables(BaseSettings):
    """Where Kinfold runs, who may call, and its stores."""

    kinfold_env: Literal["development", "production"] = Field(
        "development", description="`production` refuses to start without `API_KEYS`, and logs JSON"
    )
    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = Field(
        (), description="`name:role:sha256hex,...`; unset: only this machine may call"
    )
    database_url: PostgresDsn = Field(description="Postgres with pgvector")
    redis_url: RedisDsn = Field(description="Redis for messages")
    store_redis_url: RedisDsn | None = Field(
        None,
        description="Redis for documents' and users' vectors, counters and the provider's limits;"
        " unset: `REDIS_URL`",
    )
    mongo_url: MongoDsn | None = Field(
        None, description="MongoDB with the documents, read only; unset: no documents"
    )
    mongo_database: str = Field("search-engine", description="database of the documents")
    mongo_collection: str = Field("documents", description="collection of the documents")
    postgres_pool_size: int = Field(
        5, ge=4, le=100, description="connections of a process to Postgres, at most"
    )


class EmbeddingVariables(BaseSettings):
    """Embeddings: the provider, its models and its limits."""

    openai_api_key: SecretStr | None = Field(
        None,
        description="key of the embeddings provider; without it and `OPENAI_BASE_URL`, texts are"
        " embedded on this machine",
    )
    openai_base_url: str | None = Field(
        None, description="any endpoint that speaks OpenAI's embeddings API; unset: OpenAI's"
    )
    embedding_model: str | None = Field(
        None,
        description="model of students' vectors; unset: `text-embedding-3-small` with a provider,"
        " else `wordllama-256+hashing-words-v1`, which knows what words mean; `hashing-words-v1`"
        " knows the words only. [Where the first comes from]"
        "(architecture.md#where-the-local-model-comes-from)",
    )
    embedding_dimensions: int = Field(
        1536, ge=8, le=4000, description="components of a student's vector; must be the model's"
    )
    document_embedding_model: str | None = Field(
        None, description="model of documents' vectors; unset: `EMBEDDING_MODEL`'s"
    )
    document_embedding_dimensions: int = Field(
        300, ge=8, le=4000, description="components of a document's vector"
    )
    post_embedding_model: str | None = Field(
        None,
        description="model of posts' vectors, 384 components, also of those that are given; unset:"
        " `EMBEDDING_MODEL`'s",
    )
    embedding_batch_size: int = Field(
        50,
        ge=1,
        le=2048,
        description="students or posts that are claimed together, and texts in one request",
    )
    embedding_timeout_s: float = Field(
        20, gt=0, description="longest wait for the provider's answer"
    )
    embedding_requests_per_minute: int = Field(
        3000, ge=1, description="requests to the provider, of all workers together"
    )
    embedding_tokens_per_minute: int = Field(
        1_000_000,
        ge=10_000,
        description="tokens to the provider, of all workers together, estimated",
    )
    embedding_usd_per_million_tokens: float | None = Field(
        None, ge=0, description="price of the provider, for the cost on the console"
    )


class NeighborVariables(BaseSettings):
    """Students: their profiles and the graph of their neighbours."""

    half_life_days: float = Field(30, gt=0, description="a loan this old counts half in a profile")
    max_neighbors: int = Field(15, ge=1, le=200, description="students in a list, at most")
    similarity_threshold: float = Field(
        0.1, ge=0, le=1, description="students with a smaller cosine are not listed"
    )
    neighbor_slack: int = Field(
        10,
        ge=0,
        le=200,
        description="students kept in a list beyond `MAX_NEIGHBORS`, to refill it from",
    )
    neighbor_batch_size: int = Field(500, ge=1, le=1000, description="lists updated together")
    exact_search_max_students: int = Field(
        25_000,
        ge=0,
        description="up to this many students a worker keeps their vectors, and searches exactly",
    )
    ann_search_max_students: int = Field(
        200_000,
        ge=0,
        description="up to this many it keeps a FAISS index, half a kilobyte each; beyond that"
        " there is an HNSW index, once it has been built",
    )
    rebuild_block_rows: int = Field(
        8192,
        ge=1,
        le=100_000,
        description="students that a rebuild holds at a time; memory grows with it",
    )


class BookVariables(BaseSettings):
    """Books: the model that recommends them."""

    recommendation_max_books: int = Field(
        20_000,
        ge=10,
        le=40_000,
        description="books of the model, the most borrowed ones; memory grows with its square",
    )
    recommendation_model_limit_seconds: float = Field(
        172_800,
        gt=0,
        description="age of the recommendation model at which `GET /freshness` still says ok; it is"
        " built nightly",
    )


class ChatVariables(BaseSettings):
    """Reasons in words: a chat model, optional."""

    chat_model: str | None = Field(
        None,
        description="model that writes a blurb and a reason for each recommended book; unset:"
        " sentences made by rules",
    )
    chat_base_url: str | None = Field(
        None,
        description="any endpoint that speaks OpenAI's chat completions; unset, and no"
        " `CHAT_API_KEY`: `OPENAI_BASE_URL`, or OpenAI's",
    )
    chat_api_key: SecretStr | None = Field(
        None,
        description="its key; unset, and no `CHAT_BASE_URL`: `OPENAI_API_KEY`, which goes to no"
        " other address",
    )
    chat_patience_seconds: float = Field(
        0.8, gt=0, le=10, description="longest that an answer waits for words, of all its books"
    )
    chat_timeout_seconds: float = Field(
        10,
        gt=0,
        le=20,
        description="longest wait for the chat model; words that come too late for one answer are"
        " kept for the next",
    )


class DocumentVariables(BaseSettings):
    """Documents: how they are embedded, kept and renewed."""

    document_codec: Codec = Field(
        Codec.int8,
        description="how a document's vector is stored: `json`, `float32`, `float16`, `int8`",
    )
    document_batch_size: int = Field(
        1000,
        ge=1,
        le=10_000,
        description="documents read and embedded together; memory grows with it",
    )
    document_batches_under_way: int = Field(
        16, ge=1, le=1000, description="batches of a run that have a message at the same time"
    )
    document_ttl_days: int = Field(
        30, ge=1, le=3650, description="a vector that no run has looked at for this long expires"
    )
    document_overlap_seconds: float = Field(
        300,
        ge=0,
        description="an incremental run looks back this far behind the last one",
    )
    document_version_grace_days: float = Field(
        7, ge=0, description="the previous version is kept this long for a rollback"
    )
    document_staleness_limit_seconds: float = Field(
        86_400, gt=0, description="oldest change at which `GET /documents/coverage` still says ok"
    )


class UserVariables(BaseSettings):
    """Users: their interests and recommendations."""

    user_batch_size: int = Field(
        2000, ge=1, le=10_000, description="users whose interests are computed together"
    )
    look_back_days: float = Field(30, gt=0, le=36_500, description="older actions do not count")
    min_interactions: int = Field(
        1, ge=1, description="users with fewer actions than this have no vector"
    )
    view_weight: float = Field(1, ge=0, le=1000, description="what a `view_post` counts")
    like_weight: float = Field(5, ge=0, le=1000, description="what a `like_post` counts")
    comment_weight: float = Field(8, ge=0, le=1000, description="what a `comment_post` counts")
    bookmark_weight: float = Field(7, ge=0, le=1000, description="what a `bookmark_post` counts")
    share_weight: float = Field(10, ge=0, le=1000, description="what a `share_post` counts")
    hide_weight: float = Field(0, ge=-1000, le=0, description="what a `hide_post` counts")
    dislike_weight: float = Field(0, ge=-1000, le=0, description="what a `dislike_post` counts")
    action_half_life_days: float | None = Field(
        None, gt=0, description="an action this old counts half; unset: all count the same"
    )
    post_weight_cap: float | None = Field(
        None, gt=0, description="most that one post can count for a user; unset: no limit"
    )
    user_cache_days: float = Field(7, gt=0, description="a user's vector stays in Redis")
    recommendation_candidates: int = Field(
        200, ge=1, le=1000, description="nearest posts that are ranked"
    )
    similarity_weight: float = Field(
        0.7, ge=0, le=1, description="of the similarity in a recommendation's score"
    )
    recency_weight: float = Field(
        0.2, ge=0, le=1, description="of the recency in a recommendation's score"
    )
    engagement_weight: float = Field(
        0.1, ge=0, le=1, description="of the engagement in a recommendation's score"
    )
    recency_half_life_days: float = Field(7, gt=0, description="a post this old is half as recent")


class JobVariables(BaseSettings):
    """Jobs: leases, retries, limits of freshness, history, traces."""

    lease_seconds: float = Field(
        120, gt=0, description="a worker that is silent for this long has lost its keys"
    )
    max_attempts: int = Field(5, ge=1, description="failures in a row before a key is dead")
    retry_base_seconds: float = Field(
        2, ge=0, description="wait after the first failure; doubles with each"
    )
    retry_max_seconds: float = Field(600, ge=0, description="longest wait between attempts")
    reconcile_interval_seconds: float = Field(
        5, gt=0, description="between looks for what is overdue"
    )
    resend_after_seconds: float = Field(
        10, gt=0, description="a stale key without a message for this long is sent again"
    )
    freshness_limit_seconds: float = Field(
        60, gt=0, description="oldest stale age at which `/freshness` still says ok"
    )
    user_freshness_limit_seconds: float = Field(
        9000, gt=0, description="the same for users' interests, which wait for their schedule"
    )
    freshness_limits: Annotated[dict[str, float], NoDecode] = Field(
        {},
        description="the same for single kinds:"
        " `student_embedding=30,student_neighbors=120`, in seconds",
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        description="where traces of OpenTelemetry go (OTLP over HTTP); unset: there are none; its"
        " other `OTEL_*` count, too",
    )
    history_days: int = Field(
        90, ge=1, description="attempts, events and firings are kept this long"
    )
