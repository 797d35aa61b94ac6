"""Choose how a worker searches for neighbours, by the population."""

from enum import StrEnum

import psycopg

from workers.core.settings import settings
from workers.neighbors.hnsw_index import count_vectors, index_is_ready


class Search(StrEnum):
    """How a worker finds who is near."""

    exact = "exact"  # one matrix product with everyone's vector, which it holds
    ivf = "ivf"  # candidates by the FAISS index that it holds; Postgres compares them
    hnsw = "hnsw"  # Postgres looks into its index


def choose_search(conn: psycopg.Connection) -> Search:
    """Choose by the population; until Postgres has its index, the worker's own serves any."""
    population = count_vectors(conn)
    if population <= max_students(Search.exact):
        return Search.exact
    if population <= max_students(Search.ivf) or not index_is_ready(conn):
        return Search.ivf
    return Search.hnsw


def max_students(search: Search) -> float:
    """Say up to how many students a worker searches so."""
    return {
        Search.exact: settings().exact_search_max_students,
        Search.ivf: settings().max_students_without_hnsw,
        Search.hnsw: float("inf"),
    }[search]
