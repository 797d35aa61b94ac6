"""Settings: read once from the environment, checked as a whole, with what follows from them."""

from functools import cache
from typing import Literal, Self

from pydantic import ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from workers.core.api_keys import parse_api_keys
from workers.core.errors import SettingsError
from workers.core.variables import (
    BookVariables,
    ChatVariables,
    DocumentVariables,
    EmbeddingVariables,
    JobVariables,
    NeighborVariables,
    StoreVariables,
    UserVariables,
)
from workers.core.vocabulary import (
    LOCAL_MODELS,
    MIN_SIMILARITY,
    POST_DIMENSIONS,
    SEMANTIC_MODEL,
    Action,
    EmbeddingSpec,
    Kind,
)
from workers.core.wordllama_files import wordllama_files

OPENAI_DEFAULT_MODEL = "text-embedding-3-small"


# Pydantic takes the fields of the last one first.
class Settings(
    JobVariables,
    UserVariables,
    DocumentVariables,
    ChatVariables,
    BookVariables,
    NeighborVariables,
    EmbeddingVariables,
    StoreVariables,
):
    """All variables of workers/core/variables.py; an empty one is unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

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

    @model_validator(mode="after")
    def _chat_model_can_be_asked(self) -> Self:
        places = (
            self.chat_base_url,
            self.chat_api_key,
            self.openai_base_url,
            self.openai_api_key,
        )
        if self.chat_model and not any(places):
            raise ValueError("CHAT_MODEL: set CHAT_API_KEY or CHAT_BASE_URL, too")
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
    def max_students_without_hnsw(self) -> int:
        """Up to how many students workers search neighbours in their own memory."""
        return max(self.exact_search_max_students, self.ann_search_max_students)

    @property
    def min_similarity(self) -> float:
        """Of a neighbour; a similarity of zero is none, also when the threshold is zero."""
        return max(self.similarity_threshold, MIN_SIMILARITY)

    @property
    def min_members(self) -> int:
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
    """Read the process's settings, once.

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
