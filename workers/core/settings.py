"""Settings: typed, read once from the environment, units in the names."""

from functools import cache
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    MongoDsn,
    PostgresDsn,
    RedisDsn,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from workers.core.api_keys import ApiKey, parse_api_keys
from workers.core.errors import SettingsError
from workers.core.vocabulary import (
    LOCAL_MODELS,
    MIN_SIMILARITY,
    POST_DIMENSIONS,
    SEMANTIC_MODEL,
    Action,
    Codec,
    EmbeddingSpec,
    Kind,
)
from workers.core.wordllama_files import wordllama_files

OPENAI_DEFAULT_MODEL = "text-embedding-3-small"


class Settings(BaseSettings):
    """One field per environment variable of the same name in capitals; empty means unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    kinfold_env: Literal["development", "production"] = "development"
    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = ()

    database_url: PostgresDsn
    redis_url: RedisDsn
    store_redis_url: RedisDsn | None = None
    mongo_url: MongoDsn | None = None
    mongo_database: str = "search-engine"
    mongo_collection: str = "documents"
    postgres_pool_size: int = Field(default=5, ge=4, le=100)

    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    embedding_model: str | None = None
    embedding_dimensions: int = Field(default=1536, ge=8, le=4000)
    document_embedding_model: str | None = None
    document_embedding_dimensions: int = Field(default=300, ge=8, le=4000)
    post_embedding_model: str | None = None
    embedding_batch_size: int = Field(default=50, ge=1, le=2048)
    embedding_timeout_s: float = Field(default=20, gt=0)
    embedding_requests_per_minute: int = Field(default=3000, ge=1)
    embedding_tokens_per_minute: int = Field(default=1_000_000, ge=10_000)

    half_life_days: float = Field(default=30, gt=0)
    max_neighbors: int = Field(default=15, ge=1, le=200)
    similarity_threshold: float = Field(default=0.1, ge=0, le=1)
    neighbor_slack: int = Field(default=10, ge=0, le=200)
    neighbor_batch_size: int = Field(default=500, ge=1, le=1000)
    exact_search_max_students: int = Field(default=25_000, ge=0)
    sketch_search_max_students: int = Field(default=200_000, ge=0)
    rebuild_block_rows: int = Field(default=8192, ge=1, le=100_000)

    document_codec: Codec = Codec.int8
    document_batch_size: int = Field(default=1000, ge=1, le=10_000)
    document_batches_under_way: int = Field(default=16, ge=1, le=1000)
    document_ttl_days: int = Field(default=30, ge=1, le=3650)
    document_overlap_seconds: float = Field(default=300, ge=0)
    document_version_grace_days: float = Field(default=7, ge=0)
    document_staleness_limit_seconds: float = Field(default=86_400, gt=0)
    user_batch_size: int = Field(default=2000, ge=1, le=10_000)
    look_back_days: float = Field(default=30, gt=0, le=36_500)
    min_interactions: int = Field(default=1, ge=1)
    view_weight: float = Field(default=1, ge=0, le=1000)
    like_weight: float = Field(default=5, ge=0, le=1000)
    comment_weight: float = Field(default=8, ge=0, le=1000)
    bookmark_weight: float = Field(default=7, ge=0, le=1000)
    share_weight: float = Field(default=10, ge=0, le=1000)
    hide_weight: float = Field(default=0, ge=-1000, le=0)
    dislike_weight: float = Field(default=0, ge=-1000, le=0)
    action_half_life_days: float | None = Field(default=None, gt=0)
    post_weight_cap: float | None = Field(default=None, gt=0)
    user_cache_days: float = Field(default=7, gt=0)

    recommendation_max_books: int = Field(default=20_000, ge=10, le=40_000)
    recommendation_candidates: int = Field(default=200, ge=1, le=1000)
    similarity_weight: float = Field(default=0.7, ge=0, le=1)
    recency_weight: float = Field(default=0.2, ge=0, le=1)
    engagement_weight: float = Field(default=0.1, ge=0, le=1)
    recency_half_life_days: float = Field(default=7, gt=0)

    lease_seconds: float = Field(default=120, gt=0)
    max_attempts: int = Field(default=5, ge=1)
    retry_base_seconds: float = Field(default=2, ge=0)
    retry_max_seconds: float = Field(default=600, ge=0)
    reconcile_interval_seconds: float = Field(default=5, gt=0)
    resend_after_seconds: float = Field(default=10, gt=0)

    freshness_limit_seconds: float = Field(default=60, gt=0)
    user_freshness_limit_seconds: float = Field(default=9000, gt=0)
    freshness_limits: Annotated[dict[str, float], NoDecode] = {}
    embedding_usd_per_million_tokens: float | None = Field(default=None, ge=0)
    otel_exporter_otlp_endpoint: str | None = None
    history_days: int = Field(default=90, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _parse_keys(cls, values: dict[str, object]) -> dict[str, object]:
        text = values.get("api_keys")
        return {**values, "api_keys": parse_api_keys(text)} if isinstance(text, str) else values

    @field_validator("freshness_limits", mode="before")
    @classmethod
    def _parse_limits(cls, text: object) -> object:
        if not isinstance(text, str):
            return text
        limits: dict[str, float] = {}
        for entry in filter(None, map(str.strip, text.split(","))):
            kind, _, seconds = entry.partition("=")
            if kind not in Kind.__members__ or not seconds.replace(".", "", 1).isdecimal():
                raise ValueError(f"{entry!r} is not KIND=SECONDS of {', '.join(Kind)}")
            limits[kind] = float(seconds)
        return limits

    @model_validator(mode="after")
    def _production_needs_keys(self) -> Self:
        if self.kinfold_env == "production" and not self.api_keys:
            raise ValueError("API_KEYS: production does not start without keys")
        return self

    @model_validator(mode="after")
    def _recommendations_need_a_weight(self) -> Self:
        # Users without a vector are ranked by the last two alone.
        if self.recency_weight + self.engagement_weight == 0:
            raise ValueError("RECENCY_WEIGHT and ENGAGEMENT_WEIGHT: one must be above 0")
        return self

    @model_validator(mode="after")
    def _models_can_be_had(self) -> Self:
        for name, model in (
            ("EMBEDDING_MODEL", self.model),
            ("DOCUMENT_EMBEDDING_MODEL", self.document_embedding.model),
            ("POST_EMBEDDING_MODEL", self.post_embedding.model),
        ):
            if model == SEMANTIC_MODEL:
                wordllama_files()
            elif self.embedder == "local" and model not in LOCAL_MODELS:
                raise ValueError(
                    f"{name}: without OPENAI_API_KEY or OPENAI_BASE_URL it is one of"
                    f" {', '.join(LOCAL_MODELS)}"
                )
        return self

    @property
    def embedder(self) -> Literal["openai", "local"]:
        """The provider when a key or a base URL is given, else a model on this machine."""
        return "openai" if self.openai_api_key or self.openai_base_url else "local"

    @property
    def model(self) -> str:
        """The embedding model's name as it is stored with each vector."""
        if self.embedding_model:
            return self.embedding_model
        return OPENAI_DEFAULT_MODEL if self.embedder == "openai" else SEMANTIC_MODEL

    @property
    def student_embedding(self) -> EmbeddingSpec:
        """Vectors of students' profiles."""
        return EmbeddingSpec(self.model, self.embedding_dimensions)

    @property
    def document_embedding(self) -> EmbeddingSpec:
        """Vectors of documents that are computed now; those that are read have a version's."""
        return EmbeddingSpec(
            self.document_embedding_model or self.model, self.document_embedding_dimensions
        )

    @property
    def post_embedding(self) -> EmbeddingSpec:
        """Vectors of posts, and so of users. Those that are given must be this model's too."""
        return EmbeddingSpec(self.post_embedding_model or self.model, POST_DIMENSIONS)

    @property
    def action_weights(self) -> dict[Action, float]:
        """What each action says about a user's interest in a post."""
        return {
            "view_post": self.view_weight,
            "like_post": self.like_weight,
            "comment_post": self.comment_weight,
            "bookmark_post": self.bookmark_weight,
            "share_post": self.share_weight,
            "hide_post": self.hide_weight,
            "dislike_post": self.dislike_weight,
        }

    @property
    def most_without_index(self) -> int:
        """Up to how many students workers search neighbours in their own memory."""
        return max(self.exact_search_max_students, self.sketch_search_max_students)

    @property
    def least_similarity(self) -> float:
        """Of a neighbour; a similarity of zero is none, also when the threshold is zero."""
        return max(self.similarity_threshold, MIN_SIMILARITY)

    @property
    def least_members(self) -> int:
        """How many members a neighbour list keeps, where that many students are similar enough.

        A few more than readers see, so that they also see a full list between the deletion of
        students and the search that follows it.
        """
        return self.max_neighbors + self.neighbor_slack // 5

    @property
    def feature_store_url(self) -> str:
        """Redis of the feature store: its own URL, or the broker's."""
        return str(self.store_redis_url or self.redis_url)


@cache
def settings() -> Settings:
    """The process's settings.

    Raises:
        SettingsError: a variable is missing or wrong; the message names each of them.
    """
    try:
        return Settings()  # type: ignore[call-arg]  # the fields come from the environment
    except ValidationError as error:
        raise SettingsError(
            "; ".join(
                f"{str(problem['loc'][0]).upper()}: {problem['msg']}"
                if problem["loc"]
                else problem["msg"].removeprefix("Value error, ")
                for problem in error.errors(include_input=False)
            )
        ) from None
