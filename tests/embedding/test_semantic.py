"""The embedder that knows what words mean: its recipe, its bytes, its memory, its way out."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer

from workers.core.errors import ProviderDeniedError, SettingsError
from workers.core.settings import settings
from workers.core.vocabulary import HASHING_MODEL, SEMANTIC_MODEL, EmbeddingSpec
from workers.core.wordllama_files import PACKAGE, TABLE, TOKENIZER, wordllama_files
from workers.embedding import word_sums as word_sums_module
from workers.embedding.embedders import embedder
from workers.embedding.hashing import HashingEmbedder
from workers.embedding.semantic import SemanticEmbedder, meaning_components
from workers.embedding.texts import validate
from workers.embedding.word_sums import SPACE, map_table, word_sums

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
Configure = Callable[..., None]
TEXTS = [
    "Reading level 4.2, late elementary.\nGenres: fantasy 67%, mystery 33%.",
    "A haunted mansion, and the spirits that walk there at night",
    "naïve Straße, अनुभव की बात, 日本の本, 🎉 !?",
    "a" * 5000,
    "İstanbul  </s> <unk> ▁a▁b",
    "\N{ZERO WIDTH SPACE}",
    "x",
]


def semantic(dimensions: int) -> SemanticEmbedder:
    return SemanticEmbedder(EmbeddingSpec(SEMANTIC_MODEL, dimensions))


def in_a_process(code: str, **environment: str) -> bytes:
    """What the code writes, in a process that has read nothing yet; it knows TEXTS."""
    start = f"""
import os, sys
from workers.core.vocabulary import SEMANTIC_MODEL, EmbeddingSpec
from workers.embedding.semantic import SemanticEmbedder
TEXTS = {TEXTS!r}
embedder = SemanticEmbedder(EmbeddingSpec(SEMANTIC_MODEL, 384))
write = sys.stdout.buffer.write
"""
    return subprocess.run(
        [sys.executable, "-c", start + code],
        env={"PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("dimensions", [8, 64, 256, 300, 384, 1536, 4000])
def test_vectors_have_length_1_at_any_dimension(dimensions: int) -> None:
    vectors = semantic(dimensions).embed_batch(TEXTS)
    assert vectors.shape == (len(TEXTS), dimensions)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    for vector in vectors:
        validate(vector, dimensions)


@pytest.mark.parametrize(("dimensions", "meaning"), [(256, 128), (300, 128), (384, 256)])
def test_a_vector_is_four_fifths_meaning_and_one_fifth_hashed_words(
    dimensions: int, meaning: int
) -> None:
    text = "Ghosts of the OLD house"
    files = wordllama_files()
    tokens = Tokenizer.from_file(str(files.tokenizer)).encode(
        text.lower(), add_special_tokens=False
    )
    assert tokens.tokens == ["▁g", "hosts", "▁of", "▁the", "▁old", "▁house"]
    mean = map_table(files.table)[tokens.ids].astype(np.float64).mean(axis=0)[:meaning]
    words = HashingEmbedder(EmbeddingSpec("words", dimensions - meaning)).embed_batch([text])[0]
    expected = np.concatenate([0.8**0.5 * mean / np.linalg.norm(mean), 0.2**0.5 * words])
    (found,) = semantic(dimensions).embed_batch([text])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_texts_of_one_meaning_are_closer_than_texts_that_share_a_word() -> None:
    texts = ["ghosts in an old house", "a haunted mansion", "little house on the prairie"]
    for embedder_, closer in (
        (semantic(384), True),
        (HashingEmbedder(EmbeddingSpec("words", 384)), False),
    ):
        asked, haunted, prairie = embedder_.embed_batch(texts)
        assert bool(asked @ haunted > asked @ prairie) is closer


def test_case_and_kinds_of_white_space_say_nothing() -> None:
    first, *others = semantic(300).embed_batch(
        ["two little foxes", "Two LITTLE\tfoxes", "  two\n\nlittle foxes "]
    )
    for other in others:
        assert other.tobytes() == first.tobytes()


@pytest.mark.parametrize("blank", ["", " ", "\n\t "])
def test_a_blank_text_is_all_zeros(blank: str) -> None:
    vectors = semantic(384).embed_batch([blank, "fox"])
    assert vectors.any(axis=1).tolist() == [False, True]


def test_what_looks_like_a_mark_of_the_tokenizer_is_only_text() -> None:
    words = ["</s>", "<s>", "<unk>", "a</s>b", "x"]
    together = word_sums().of(words)
    table = map_table(wordllama_files().table)
    for word, row in zip(words, together, strict=True):
        assert row.tobytes() == word_sums().of([word]).tobytes()
        for mark in table[:3]:
            assert not np.array_equal(row, mark.astype(np.float32))
    first, second = semantic(300).embed_batch(["two▁foxes", "two foxes"])
    assert first[:128].tobytes() == second[:128].tobytes()


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1))
def test_words_added_up_together_have_the_sums_they_have_alone(texts: list[str]) -> None:
    words = [word for text in texts for word in text.lower().replace(SPACE, " ").split()]
    if words:
        word_sums()._kept.clear()
        together = word_sums().of(words)
        word_sums()._kept.clear()
        for word, row in zip(words, together, strict=True):
            assert row.tobytes() == word_sums().of([word]).tobytes()


def test_bytes_depend_neither_on_the_batch_nor_on_what_came_before() -> None:
    many = [*TEXTS, *(f"{text} {n}" for n in range(50) for text in TEXTS)]
    for dimensions in (300, 384):
        together = semantic(dimensions).embed_batch(many)
        word_sums.cache_clear()
        alone = [semantic(dimensions).embed_batch([text])[0] for text in reversed(many)]
        assert together.tobytes() == np.array(alone[::-1]).tobytes()
        assert semantic(dimensions).embed_batch(many[3:]).tobytes() == together[3:].tobytes()


def test_bytes_are_the_same_in_every_process_and_with_any_number_of_threads() -> None:
    code = "write(embedder.embed_batch(TEXTS).tobytes())"
    outputs = {
        in_a_process(
            code,
            PYTHONHASHSEED=threads,
            OPENBLAS_NUM_THREADS=threads,
            OMP_NUM_THREADS=threads,
            RAYON_NUM_THREADS=threads,
            TOKENIZERS_PARALLELISM=parallel,
        )
        for threads, parallel in (("1", "false"), ("4", "true"))
    }
    assert outputs == {semantic(384).embed_batch(TEXTS).tobytes()}


def test_threads_that_embed_at_once_get_the_same_bytes() -> None:
    word_sums.cache_clear()
    texts = [f"{text} {n}" for n in range(40) for text in TEXTS]
    found = semantic(384)
    with ThreadPoolExecutor(8) as threads:
        each = list(threads.map(lambda _: found.embed_batch(texts).tobytes(), range(8)))
    assert set(each) == {semantic(384).embed_batch(texts).tobytes()}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_share_the_table_and_no_thread_is_started_that_a_fork_would_lose() -> None:
    code = """
def report():
    vectors = embedder.embed_batch(TEXTS * 50)
    lines = open("/proc/self/smaps").read().splitlines()
    at = next(n for n, line in enumerate(lines) if line.endswith(".safetensors"))
    dirty = [int(line.split()[1]) for line in lines[at:at + 20] if line.startswith("Private_Dirty")]
    threads = len(os.listdir("/proc/self/task"))
    late = {"wordllama", "huggingface_hub"} & set(sys.modules)
    return f"{dirty[0]} {threads} {sorted(late)} {hash(vectors.tobytes())}\\n".encode()

import numpy
before = report()
reading, writing = os.pipe()
if os.fork() == 0:
    os.write(writing, report())
    os._exit(0)
os.wait()
write(before + os.read(reading, 1000))
"""
    parent, child = in_a_process(code, OPENBLAS_NUM_THREADS="1").decode().splitlines()
    assert parent == child
    assert parent.startswith("0 1 [] ")


def test_nothing_of_the_package_is_imported_and_no_log_handler_comes_with_it() -> None:
    before = list(logging.getLogger().handlers)
    semantic(300).embed_batch(TEXTS)
    assert PACKAGE not in sys.modules
    assert logging.getLogger().handlers == before


def test_without_the_package_the_settings_name_the_way_out(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    configure()
    with pytest.raises(SettingsError, match=f"needs the package {PACKAGE}.*{HASHING_MODEL}"):
        settings()
    with pytest.raises(SettingsError, match="OPENAI_BASE_URL"):
        word_sums.__wrapped__()
    configure(EMBEDDING_MODEL=HASHING_MODEL)
    settings()
    configure(EMBEDDING_MODEL="", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    settings()


@pytest.mark.parametrize("moved", [TABLE, TOKENIZER])
def test_a_process_whose_files_have_moved_ends_at_its_start_with_the_way_out(
    tmp_path: Path, moved: str
) -> None:
    package = copy_package(tmp_path)
    (package / moved).rename(package / "elsewhere")
    ended = subprocess.run(
        [sys.executable, "-m", "workers.operations.migrate"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert ended.returncode != 0
    assert f"the package {PACKAGE} has no {package / moved}" in ended.stderr
    assert f"EMBEDDING_MODEL={HASHING_MODEL}" in ended.stderr


@pytest.mark.parametrize("changed", [TABLE, TOKENIZER])
def test_files_of_another_model_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    with (copy_package(tmp_path) / changed).open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"?")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match=f"another {tmp_path}.*{HASHING_MODEL}"):
        word_sums_module.word_sums.__wrapped__()


def copy_package(folder: Path) -> Path:
    """A package of the same name that holds the two files and nothing else."""
    package = folder / PACKAGE
    files = wordllama_files()
    for source, name in ((files.table, TABLE), (files.tokenizer, TOKENIZER)):
        (package / name).parent.mkdir(parents=True)
        shutil.copy(source, package / name)
    (package / "__init__.py").touch()
    return package


def test_a_model_whose_provider_was_taken_away_denies_instead_of_mixing_vectors(
    configure: Configure,
) -> None:
    gone = embedder(EmbeddingSpec("text-embedding-3-small", 300))
    with pytest.raises(ProviderDeniedError, match="text-embedding-3-small needs OPENAI_API_KEY"):
        gone.embed_batch(["text"])


def test_local_models_stay_local_when_a_provider_is_chosen(configure: Configure) -> None:
    configure(OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    for model, kind in ((SEMANTIC_MODEL, SemanticEmbedder), (HASHING_MODEL, HashingEmbedder)):
        assert type(embedder(EmbeddingSpec(model, 300))) is kind


def test_every_dimension_leaves_room_for_both_parts() -> None:
    parts: NDArray[np.int64] = np.array([meaning_components(n) for n in range(8, 4001)])
    rest = np.arange(8, 4001) - parts
    assert (parts >= 4).all()
    assert (rest >= 4).all()
    assert (np.diff(parts) >= 0).all()
