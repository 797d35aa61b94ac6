"""Vectors as bytes and back, a batch at a time: a head of 14 bytes, then the components.

The head's size decides what a million documents cost: a 300-dimensional int8 value is 314 bytes,
the largest that fits jemalloc's class of 320 together with Redis' own head of a string.

    0      format 1 and codec, four bits each
    1-2    dimensions
    3-7    as of when the vector reflects the document: milliseconds since 2020
    8-11   hash of the text
    12-13  largest component as float16, int8 only: a component is that times n / 127

JSON stands as `{ts, hash, dim, ver, emb}`, with what a head tells at fixed places in front.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.core.vocabulary import Codec

DocumentVectors = NDArray[np.float32]
Times = NDArray[np.int64]
Hashes = NDArray[np.uint32]

EPOCH_MS = 1_577_836_800_000
FORMAT = 1
NUMBERS = {Codec.float32: 1, Codec.float16: 2, Codec.int8: 3}
CODECS = {FORMAT << 4 | number: codec for codec, number in NUMBERS.items()}
KNOWN = np.isin(np.arange(256), list(CODECS))
COMPONENTS: dict[Codec, np.dtype[Any]] = {
    Codec.float32: np.dtype("<f4"),
    Codec.float16: np.dtype("<f2"),
    Codec.int8: np.dtype("i1"),
}
HEAD = np.dtype(
    [
        ("format", "u1"),
        ("dimensions", ">u2"),
        ("ts_high", "u1"),
        ("ts_low", ">u4"),
        ("hash", ">u4"),
        ("largest", "<f2"),
    ]
)
MAX_TIME_MS = 2**40 - 1
INT8_MAX = 127

JSON_HEAD_BYTES = 64
JSON_TS = slice(7, 31)
JSON_HASH = slice(41, 49)
JSON_DIMENSIONS_AT = 57
JSON_DIGITS = 7


@dataclass(frozen=True)
class Heads:
    """What stands in front of stored values, row by row; all zeros where `found` is false.

    `ts_ms` is in milliseconds since 1970.
    """

    found: NDArray[np.bool_]
    dimensions: NDArray[np.int64]
    ts_ms: Times
    hashes: Hashes


@dataclass(frozen=True)
class Decoded:
    """Vectors of shape (n, dimensions) with their heads."""

    vectors: DocumentVectors
    heads: Heads


def head_bytes(codec: Codec) -> int:
    """Count the bytes of a value that hold its head."""
    return JSON_HEAD_BYTES if codec is Codec.json else HEAD.itemsize


def time_place(codec: Codec) -> int:
    """Locate the time in a value."""
    return JSON_TS.start if codec is Codec.json else 3


def encode_times(codec: Codec, ts_ms: Times) -> list[bytes]:
    """Encode times as they stand in a value."""
    if codec is Codec.json:
        return [_iso(int(time)).encode() for time in ts_ms]
    return [int(time).to_bytes(5, "big") for time in _since_epoch(ts_ms)]


def encode(
    codec: Codec, version: str, vectors: DocumentVectors, ts_ms: Times, hashes: Hashes
) -> list[bytes]:
    """Encode each row of `vectors` as a value."""
    if codec is Codec.json:
        return _encode_json(version, vectors, ts_ms, hashes)
    count, dimensions = vectors.shape
    heads = np.zeros(count, HEAD)
    since = _since_epoch(ts_ms)
    heads["format"] = FORMAT << 4 | NUMBERS[codec]
    heads["dimensions"] = dimensions
    heads["ts_high"] = since >> 32
    heads["ts_low"] = since & 0xFFFFFFFF
    heads["hash"] = hashes
    if codec is Codec.int8:
        largest = np.abs(vectors).max(axis=1).astype(np.float16)
        heads["largest"] = largest
        scaled = vectors * (INT8_MAX / largest.astype(np.float32))[:, None]
        components = np.clip(np.rint(scaled), -INT8_MAX, INT8_MAX).astype(np.int8)
    else:
        components = vectors.astype(COMPONENTS[codec])
    payload = components.dtype.itemsize * dimensions
    values = np.empty((count, HEAD.itemsize + payload), np.uint8)
    values[:, : HEAD.itemsize] = heads.view(np.uint8).reshape(count, HEAD.itemsize)
    values[:, HEAD.itemsize :] = components.view(np.uint8).reshape(count, payload)
    size, whole = values.shape[1], values.tobytes()
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def decode(values: Sequence[bytes]) -> Decoded:
    """Decode vectors of one codec and dimension, which are the first one's.

    Raises:
        ValueError: a value is in no known format, or differs from the first one in it.
    """
    if not values:
        return Decoded(np.empty((0, 0), np.float32), read_heads([]))
    codec = codec_of(values[0])
    if codec is Codec.json:
        heads = read_heads(values)
        rows = np.array([json.loads(value)["emb"] for value in values], np.float32)
        return Decoded(rows.reshape(len(values), int(heads.dimensions[0])), heads)
    dimensions = int.from_bytes(values[0][1:3], "big")
    size = HEAD.itemsize + COMPONENTS[codec].itemsize * dimensions
    if {len(value) for value in values} != {size}:
        raise ValueError(f"a stored value is not a {codec} vector of {dimensions} dimensions")
    whole = np.frombuffer(b"".join(values), np.uint8).reshape(len(values), size)
    fields = np.ascontiguousarray(whole[:, : HEAD.itemsize]).view(HEAD)[:, 0]
    if not (fields["format"] == whole[0, 0]).all():
        raise ValueError("stored values differ in format")
    components = np.ascontiguousarray(whole[:, HEAD.itemsize :]).view(COMPONENTS[codec])
    vectors = components.astype(np.float32)
    if codec is Codec.int8:
        vectors *= (fields["largest"].astype(np.float32) / INT8_MAX)[:, None]
    return Decoded(vectors, _binary_heads(fields, np.ones(len(values), bool)))


def codec_of(value: bytes) -> Codec:
    """Recognise the codec of a stored value.

    Raises:
        ValueError: in no way that is known here.
    """
    if value[:1] == b"{":
        return Codec.json
    codec = CODECS.get(value[0]) if value else None
    if codec is None:
        raise ValueError(f"a stored value begins with {value[:1]!r}, which is no known format")
    return codec


def read_heads(beginnings: Sequence[bytes | None]) -> Heads:
    """Read heads of values of which at least `head_bytes` are given; None or empty: not stored."""
    json_head = next((value[:1] == b"{" for value in beginnings if value), False)
    if json_head:
        return _json_heads(beginnings)
    blank = bytes(HEAD.itemsize)
    found = np.array([bool(value) for value in beginnings], bool)
    fields = np.frombuffer(
        b"".join(value[: HEAD.itemsize] if value else blank for value in beginnings), HEAD
    )
    return _binary_heads(fields, found & KNOWN[fields["format"]])


def _binary_heads(fields: NDArray[Any], found: NDArray[np.bool_]) -> Heads:
    since = fields["ts_high"].astype(np.int64) << 32 | fields["ts_low"].astype(np.int64)
    return Heads(
        found,
        fields["dimensions"].astype(np.int64),
        np.where(found, since + EPOCH_MS, 0),
        fields["hash"].astype(np.uint32),
    )


def _encode_json(
    version: str, vectors: DocumentVectors, ts_ms: Times, hashes: Hashes
) -> list[bytes]:
    dimensions = vectors.shape[1]
    # float32 has seven digits; printed as float64 it would show seventeen.
    rows = np.round(vectors.astype(np.float64), JSON_DIGITS).tolist()
    return [
        (
            f'{{"ts":"{_iso(int(time))}","hash":"{int(digest):08x}","dim":{dimensions},'
            f'"ver":"{version}","emb":{json.dumps(row, separators=(",", ":"))}}}'
        ).encode()
        for row, time, digest in zip(rows, ts_ms, hashes, strict=True)
    ]


def _json_heads(beginnings: Sequence[bytes | None]) -> Heads:
    heads = [value if value and value[:1] == b"{" else None for value in beginnings]
    return Heads(
        np.array([head is not None for head in heads], np.bool_),
        np.array(
            [
                int(head[JSON_DIMENSIONS_AT:JSON_HEAD_BYTES].split(b",")[0]) if head else 0
                for head in heads
            ],
            np.int64,
        ),
        np.array([_ms(head[JSON_TS].decode()) if head else 0 for head in heads], np.int64),
        np.array([int(head[JSON_HASH], 16) if head else 0 for head in heads], np.uint32),
    )


def _since_epoch(ts_ms: Times) -> Times:
    return np.clip(ts_ms - EPOCH_MS, 0, MAX_TIME_MS)


def _iso(ts_ms: int) -> str:
    time = datetime.fromtimestamp(ts_ms / 1000, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{ts_ms % 1000:03}Z"


def _ms(text: str) -> int:
    whole = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
    return int(whole.timestamp()) * 1000 + int(text[20:23])
