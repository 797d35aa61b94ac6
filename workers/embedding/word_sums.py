"""What words mean: sums of the token vectors of the wheel `wordllama`.

Its table was trained from the token embeddings of LLaMA 2 70B, phi-3 medium and others;
docs/architecture.md says what follows from that.
"""

import hashlib
import json
import mmap
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from workers.core.errors import SettingsError
from workers.core.vocabulary import SEMANTIC_MODEL
from workers.core.wordllama_files import WAY_OUT, WordllamaFiles, wordllama_files

COMPONENTS = 256
# SHA-256 of the files that give the model its name: with others its vectors would be other ones.
TABLE_SHA256 = "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"
TOKENIZER_SHA256 = "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68"
# Words whose sums a process keeps, a kilobyte each; when there are more it begins anew. A word that
# is not kept costs 15 microseconds. More words would take more of every worker.
KEPT_WORDS = 16_384
# Longer words are links, numbers, or text that is written without spaces: rarely the same twice.
MAX_KEPT_LENGTH = 64
# Words of a batch whose tokens' vectors are in memory at once: three megabytes.
LEARNT_TOGETHER = 1024
# So many tokens of all words are added up at once; words with more are one by one.
ADDED_TOGETHER = 8
# How the tokenizer writes a space. No token has it inside, so no token reaches over two words.
SPACE = "\N{LOWER ONE EIGHTH BLOCK}"


class WordSums:
    """For each word the sum of its tokens' vectors, 256 components of float32."""

    def __init__(self, files: WordllamaFiles) -> None:
        self._table = map_table(files.table)
        self._tokenizer = Tokenizer.from_file(str(files.tokenizer))
        # Whoever writes </s> writes these four characters.
        self._tokenizer.encode_special_tokens = True
        self._begins_word = np.zeros(len(self._table), bool)
        for token, number in self._tokenizer.get_vocab().items():
            self._begins_word[number] = token.startswith(SPACE)
        self._kept: dict[str, bytes] = {}

    def of(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Sum up one row per word, none of them empty or with white space or SPACE inside.

        The same bytes whatever was asked before or is asked at once: each row is added up alone,
        in the order of its tokens.
        """
        kept = self._kept
        try:
            found = [kept[word] for word in words]
        except KeyError:
            added = self._add_up([word for word in dict.fromkeys(words) if word not in kept])
            found = [added.get(word) or kept[word] for word in words]
        return np.frombuffer(b"".join(found), np.float32).reshape(-1, COMPONENTS)

    def learn(self, texts: Iterable[Sequence[str]]) -> None:
        """Sum up the new words of many texts together, which costs less than text by text."""
        kept = self._kept
        # Long ones are not kept, and would be summed up twice.
        new = [
            word
            for word in dict.fromkeys(chain.from_iterable(texts))
            if word not in kept and len(word) <= MAX_KEPT_LENGTH
        ]
        for start in range(0, len(new), LEARNT_TOGETHER):
            self._add_up(new[start : start + LEARNT_TOGETHER])

    def _add_up(self, words: Sequence[str]) -> dict[str, bytes]:
        # Not as the library's batch, which starts a thread per core that a fork would lose.
        tokens = self._tokenizer.encode(" ".join(words), add_special_tokens=False).ids
        rows = self._table.take(tokens, axis=0).astype(np.float32)
        starts = np.flatnonzero(self._begins_word[tokens])
        sums = dict(zip(words, add_up(rows, starts), strict=True))
        if len(self._kept) > KEPT_WORDS:
            self._kept = {}
        self._kept |= {word: sums[word] for word in words if len(word) <= MAX_KEPT_LENGTH}
        return sums


def add_up(rows: NDArray[np.float32], starts: NDArray[np.int64]) -> list[bytes]:
    """Sum up the rows from each start to the next, one after the other.

    Not by `reduceat`, whose order of additions depends on what else is in the array.

    >>> add_up(np.eye(3, dtype=np.float32), np.array([0, 2]))[0] == np.float32([1, 1, 0]).tobytes()
    True
    """
    lengths = np.diff(starts, append=len(rows))
    sums = rows[starts]
    # All words at once, a token of each; most have one or two, and long ones are added up alone.
    for place in range(1, min(int(lengths.max()), ADDED_TOGETHER)):
        longer = np.flatnonzero(lengths > place)
        sums[longer] += rows[starts[longer] + place]
    for word in np.flatnonzero(lengths > ADDED_TOGETHER).tolist():
        start = starts[word]
        sums[word] = rows[start : start + lengths[word]].sum(axis=0)
    return [row.tobytes() for row in sums]


@cache
def word_sums() -> WordSums:
    """Return the process's sums, whatever dimensions its embedders have.

    Raises:
        SettingsError: the package is missing, or its files are not those of the model.
    """
    try:
        files = wordllama_files()
    except ValueError as error:
        raise SettingsError(str(error)) from None
    for path, digest in ((files.table, TABLE_SHA256), (files.tokenizer, TOKENIZER_SHA256)):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise SettingsError(f"{SEMANTIC_MODEL} was made with another {path}: {WAY_OUT}")
    return WordSums(files)


def map_table(path: Path) -> NDArray[np.float16]:
    """Map the one tensor of a safetensors file, shape (tokens, 256); processes share its pages.

    The file begins with the length of its header, eight bytes, and the header in JSON.
    """
    with path.open("rb") as file:
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = 8 + int.from_bytes(whole[:8], "little")
    (tensor,) = json.loads(whole[8:start]).values()
    first, last = tensor["data_offsets"]
    values = np.frombuffer(whole, np.dtype("<f2"), (last - first) // 2, start + first)
    return values.reshape(tensor["shape"])
