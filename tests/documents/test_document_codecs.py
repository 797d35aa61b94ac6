"""Vectors as bytes and back; and what is cut from a text."""

import json
import struct
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.vocabulary import Codec, EmbeddingSpec
from workers.documents.codecs import (
    decode,
    encode,
    encode_times,
    head_bytes,
    read_heads,
    time_place,
)
from workers.documents.text import cut, hash_text, language_of
from workers.embedding.hashing import HashingEmbedder

CODECS = list(Codec)
NOW_MS = 1_795_240_000_123
ERRORS = {Codec.json: 1e-6, Codec.float32: 0.0, Codec.float16: 1e-6, Codec.int8: 1e-4}
ONE_PIECE = {
    "accent": "e\u0301",
    "family": "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "flag": "\U0001f1eb\U0001f1f7",
    "skin tone": "\U0001f44d\U0001f3fd",
    "syllable": "\u0928\u093f",
}


def vectors(count: int, dimensions: int) -> np.ndarray:
    drawn = np.random.default_rng(3).standard_normal((count, dimensions)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


def encoded(codec: Codec, rows: np.ndarray) -> list[bytes]:
    times = NOW_MS + np.arange(len(rows), dtype=np.int64)
    hashes = (np.arange(len(rows)) * 1_000_003 + 4_000_000_000).astype(np.uint32)
    return encode(codec, "v1", rows, times, hashes)


@pytest.mark.parametrize("dimensions", [8, 300, 384, 1536])
@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_gives_back_what_it_was_given(codec: Codec, dimensions: int) -> None:
    rows = vectors(20, dimensions)
    found = decode(encoded(codec, rows))
    assert found.vectors.dtype == np.float32
    cosines = (found.vectors * rows).sum(axis=1) / np.linalg.norm(found.vectors, axis=1)
    assert (1 - cosines).max() <= ERRORS[codec] + 1e-6
    assert found.heads.ts_ms.tolist() == [NOW_MS + row for row in range(20)]
    assert found.heads.hashes[1] == 4_001_000_003
    assert found.heads.dimensions.tolist() == [dimensions] * 20


@pytest.mark.parametrize("codec", CODECS)
def test_heads_are_read_from_the_beginning_of_values_and_gaps_are_reported(codec: Codec) -> None:
    values = encoded(codec, vectors(3, 300))
    beginnings = [values[0][: head_bytes(codec)], b"", None, values[2][: head_bytes(codec)]]
    heads = read_heads(beginnings)
    assert heads.found.tolist() == [True, False, False, True]
    assert heads.ts_ms.tolist() == [NOW_MS, 0, 0, NOW_MS + 2]
    assert heads.dimensions.tolist() == [300, 0, 0, 300]


@pytest.mark.parametrize("codec", CODECS)
def test_a_time_can_be_overwritten_in_place(codec: Codec) -> None:
    (value,) = encoded(codec, vectors(1, 300))
    (time,) = encode_times(codec, np.array([NOW_MS + 86_400_000], np.int64))
    place = time_place(codec)
    changed = value[:place] + time + value[place + len(time) :]
    assert len(changed) == len(value)
    assert read_heads([changed]).ts_ms.tolist() == [NOW_MS + 86_400_000]
    np.testing.assert_array_equal(decode([changed]).vectors, decode([value]).vectors)


def test_an_int8_value_of_300_dimensions_has_314_bytes_laid_out_as_written() -> None:
    (value,) = encoded(Codec.int8, vectors(1, 300))
    assert len(value) == 314
    assert value[0] == 0x13
    assert struct.unpack_from(">H", value, 1) == (300,)
    assert int.from_bytes(value[3:8], "big") == NOW_MS - 1_577_836_800_000
    assert struct.unpack_from(">I", value, 8) == (4_000_000_000,)
    (largest,) = struct.unpack_from("<e", value, 12)
    assert largest == pytest.approx(float(np.abs(vectors(1, 300)).max()), rel=1e-3)


def test_a_json_value_is_readable_by_anybody() -> None:
    (value,) = encoded(Codec.json, vectors(1, 300))
    found = json.loads(value)
    assert (found["dim"], found["ver"], found["ts"]) == (300, "v1", "2026-11-21T05:46:40.123Z")
    assert len(found["emb"]) == 300


def test_int8_keeps_the_ten_nearest_of_hashed_texts() -> None:
    rng = np.random.default_rng(5)
    words = [f"word{n}" for n in range(400)]
    texts = [" ".join(rng.choice(words, 60)) for _ in range(2000)]
    exact = HashingEmbedder(EmbeddingSpec("h", 300)).embed_batch(texts)
    kept = decode(encoded(Codec.int8, exact)).vectors
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    recall = []
    for row in range(100):
        best = np.partition(exact @ exact[row], -10)[-10]
        found = np.argsort(-(kept @ exact[row]))[:10]
        recall.append(((exact[found] @ exact[row]) >= best - 1e-6).mean())
    assert np.mean(recall) >= 0.98


@pytest.mark.parametrize("codec", [Codec.float32, Codec.float16, Codec.int8])
@pytest.mark.parametrize("broken", [b"", b"\x99" + bytes(400), b"\x23"])
def test_values_in_no_known_format_are_refused(codec: Codec, broken: bytes) -> None:
    with pytest.raises(ValueError, match="stored value"):
        decode([broken])
    good = encoded(codec, vectors(1, 300))
    with pytest.raises(ValueError, match="not a"):
        decode([*good, broken])


def test_small_and_large_vectors_survive_int8() -> None:
    rows = np.zeros((3, 4000), np.float32)
    rows[0] = 0.1 / np.sqrt(4000)
    rows[1, 0] = 2.0
    rows[2] = np.linspace(-0.002, 0.002, 4000)
    found = decode(encoded(Codec.int8, rows)).vectors
    np.testing.assert_allclose(found, rows, atol=float(np.abs(rows).max(axis=1).max()) / 100)
    np.testing.assert_allclose(found[0], rows[0], rtol=0.01)


@pytest.mark.parametrize("piece", ONE_PIECE.values(), ids=ONE_PIECE.keys())
def test_a_cut_never_splits_what_readers_see_as_one_character(piece: str) -> None:
    for before in range(10):
        text = "x" * before + " " + piece * 20
        for most in range(1, len(text) + 3):
            kept = cut(text, most)
            assert len(kept) <= most
            assert text.startswith(kept)
            if before + 1 <= most <= len(text):
                assert (len(kept) - before - 1) % len(piece) == 0


def test_a_cut_of_5000_is_of_5000_where_nothing_is_split() -> None:
    assert len(cut("word " * 2000)) == 5000
    assert len(cut("語" * 6000)) == 5000
    assert cut("e\u0301" * 3000) == "e\u0301" * 2500
    assert len(cut("x" + "e\u0301" * 3000)) == 4999


def test_somebody_who_piles_up_accents_is_cut_at_5000_all_the_same() -> None:
    assert len(cut("e" + "\u0301" * 6000)) == 5000


@given(st.text(max_size=300), st.integers(1, 250))
def test_a_cut_is_a_beginning_and_never_begins_anew_with_a_mark(text: str, most: int) -> None:
    kept = cut(text, most)
    assert text.startswith(kept)
    assert len(kept) <= most
    rest = text[len(kept) :]
    if len(kept) < most and rest:
        assert len(kept) > most - 200
    if rest and unicodedata.combining(rest[0]) and len(kept) > 64:
        assert len(kept) == most


def test_hashes_and_languages() -> None:
    assert hash_text("a") == hash_text("a") != hash_text("b")
    assert 0 <= hash_text("a") < 2**32
    found = [language_of(value) for value in ("en", "pt-BR", "zh_Hant", "", None, 7, "english")]
    assert found == ["en", "pt", "zh", "unknown", "unknown", "unknown", "unknown"]
