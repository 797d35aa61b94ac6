#!/usr/bin/env bash
# Compute the documents' vectors: scripts/precompute_embeddings.sh all|incremental|stale|cleanup
# Reads DATABASE_URL, REDIS_URL and MONGO_URL; while `make run` runs, those of the embedded stack.
set -euo pipefail
cd "$(dirname "$0")/.."
home=${KINFOLD_HOME:-.kinfold}
if [[ -z ${DATABASE_URL:-} && -r $home/env ]]; then
    set -a
    # shellcheck disable=SC1091  # written by `make run`
    source "$home/env"
    set +a
fi
python=python3
[[ -x .venv/bin/python ]] && python=.venv/bin/python
exec "$python" -m workers.documents.precompute "$@"
