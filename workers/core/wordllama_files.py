"""Where the wheel `wordllama` has its data: a table of token vectors, and their tokenizer."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from workers.core.vocabulary import HASHING_MODEL, SEMANTIC_MODEL

PACKAGE = "wordllama"
TABLE = "weights/l2_supercat_256.safetensors"
TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
WAY_OUT = (
    "install the version that requirements.txt names, or choose EMBEDDING_MODEL="
    f"{HASHING_MODEL} or a provider (OPENAI_API_KEY, OPENAI_BASE_URL)"
)


@dataclass(frozen=True)
class WordllamaFiles:
    """Paths of the table, in the format safetensors, and of the tokenizer, in JSON."""

    table: Path
    tokenizer: Path


def wordllama_files() -> WordllamaFiles:
    """Find the files without importing the package.

    Its own loader looks for the tokenizer in another folder, then on the network, and installs a
    log handler.

    Raises:
        ValueError: the package or one of the files is not there; the message says what helps.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"{SEMANTIC_MODEL} needs the package {PACKAGE}: {WAY_OUT}")
    home = Path(spec.submodule_search_locations[0])
    files = WordllamaFiles(home / TABLE, home / TOKENIZER)
    for path in (files.table, files.tokenizer):
        if not path.is_file():
            raise ValueError(f"{SEMANTIC_MODEL}: the package {PACKAGE} has no {path}: {WAY_OUT}")
    return files
