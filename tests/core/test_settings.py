"""Settings: a wrong or missing variable is named; nothing secret is repeated."""

from collections.abc import Callable
from hashlib import sha256

import pytest

from workers.core.api_keys import Role, find_key
from workers.core.errors import SettingsError
from workers.core.settings import settings

DIGEST = sha256(b"secret").hexdigest()


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_missing_variable_is_named_and_an_empty_one_is_missing(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, name: str, empty: bool
) -> None:
    if empty:
        configure(**{name: ""})
    else:
        monkeypatch.delenv(name)
    with pytest.raises(SettingsError, match=f"^{name}: "):
        settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://u:hidden@h/d"),
        ("DATABASE_URL", "hidden"),
        ("REDIS_URL", "http://hidden"),
        ("STORE_REDIS_URL", "hidden"),
        ("EMBEDDING_DIMENSIONS", "many"),
        ("EMBEDDING_DIMENSIONS", "4001"),
        ("EMBEDDING_BATCH_SIZE", "0"),
        ("EMBEDDING_BATCH_SIZE", "2049"),
        ("EMBEDDING_TIMEOUT_S", "-1"),
        ("HALF_LIFE_DAYS", "0"),
        ("HALF_LIFE_DAYS", "month"),
        ("MAX_NEIGHBORS", "1.5"),
        ("SIMILARITY_THRESHOLD", "1.1"),
        ("KINFOLD_ENV", "staging"),
        ("API_KEYS", "hidden"),
        ("API_KEYS", f"me:owner:{DIGEST}"),
        ("API_KEYS", f"me:read:{DIGEST.upper()}"),
        ("API_KEYS", f"me:read:{DIGEST[:-1]}"),
        ("API_KEYS", f":read:{DIGEST}"),
        ("API_KEYS", f"me:read:{DIGEST}:hidden"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not_repeated(
    configure: Callable[..., None], name: str, value: str
) -> None:
    configure(**{name: value})
    with pytest.raises(SettingsError) as error:
        settings()
    assert str(error.value).startswith(f"{name}: ")
    assert "hidden" not in str(error.value)
    assert DIGEST[:10] not in str(error.value).lower()


def test_every_wrong_variable_is_named_at_once(configure: Callable[..., None]) -> None:
    configure(DATABASE_URL="", MAX_NEIGHBORS="x")
    with pytest.raises(SettingsError, match=r"DATABASE_URL: .*; MAX_NEIGHBORS: "):
        settings()


def test_production_does_not_start_without_keys(configure: Callable[..., None]) -> None:
    for none in ("", " ", ",", " , "):
        configure(KINFOLD_ENV="production", API_KEYS=none)
        with pytest.raises(SettingsError, match=r"^API_KEYS: "):
            settings()
    configure(KINFOLD_ENV="production", API_KEYS=f"me:read:{DIGEST}")
    assert settings().kinfold_env == "production"
    configure(KINFOLD_ENV="development", API_KEYS="")
    assert settings().api_keys == ()


def test_keys_are_read_with_names_and_roles(configure: Callable[..., None]) -> None:
    other = sha256("schlüssel".encode()).hexdigest()
    configure(API_KEYS=f" a:read:{DIGEST} ,, b:admin:{other},")
    keys = settings().api_keys
    assert [(key.name, key.role) for key in keys] == [("a", Role.read), ("b", Role.admin)]
    assert [find_key(keys, text) for text in ("secret", "schlüssel", "Secret", "", DIGEST)] == [
        keys[0],
        keys[1],
        None,
        None,
        None,
    ]


def test_an_empty_variable_has_its_default(configure: Callable[..., None]) -> None:
    configure(HALF_LIFE_DAYS="", MAX_NEIGHBORS="", OPENAI_API_KEY="", KINFOLD_ENV="")
    assert settings().half_life_days == 30
    assert settings().max_neighbors == 15
    assert settings().openai_api_key is None
    assert settings().kinfold_env == "development"


def test_the_url_forms_of_hosts_are_understood(configure: Callable[..., None]) -> None:
    configure(
        DATABASE_URL="postgres://u:p@h.example:5432/d", REDIS_URL="rediss://:p@h.example:6380"
    )
    assert str(settings().database_url) == "postgres://u:p@h.example:5432/d"
    assert str(settings().redis_url).startswith("rediss://:p@h.example:6380")
    assert settings().feature_store_url == str(settings().redis_url)
    configure(STORE_REDIS_URL="redis://store.example:6379/1")
    assert settings().feature_store_url == "redis://store.example:6379/1"


def test_the_embedder_follows_from_key_and_base_url(configure: Callable[..., None]) -> None:
    assert (settings().embedder, settings().model) == ("local", "wordllama-256+hashing-words-v1")
    configure(EMBEDDING_MODEL="hashing-words-v1")
    assert (settings().embedder, settings().model) == ("local", "hashing-words-v1")
    configure(OPENAI_BASE_URL="http://127.0.0.1:9/v1", EMBEDDING_MODEL="")
    assert (settings().embedder, settings().model) == ("openai", "text-embedding-3-small")
    configure(OPENAI_BASE_URL="", OPENAI_API_KEY="sk-hidden", EMBEDDING_MODEL="other")
    assert (settings().embedder, settings().model) == ("openai", "other")
    assert "hidden" not in repr(settings())


@pytest.mark.parametrize(
    "name", ["EMBEDDING_MODEL", "DOCUMENT_EMBEDDING_MODEL", "POST_EMBEDDING_MODEL"]
)
def test_a_model_that_only_a_provider_has_needs_one(
    configure: Callable[..., None], name: str
) -> None:
    configure(**{name: "text-embedding-3-small"})
    with pytest.raises(SettingsError, match=rf"^{name}: .*OPENAI_BASE_URL.*hashing-words-v1"):
        settings()
    configure(**{name: "hashing-words-v1"})
    settings()


def test_settings_are_read_once_and_cannot_be_changed(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(MAX_NEIGHBORS="7")
    assert settings().max_neighbors == 7
    monkeypatch.setenv("MAX_NEIGHBORS", "8")
    assert settings().max_neighbors == 7
    with pytest.raises(ValueError, match="frozen"):
        settings().max_neighbors = 9
