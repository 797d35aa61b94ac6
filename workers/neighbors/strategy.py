"""Which of three ways a worker looks for neighbours in, by the population."""

from enum import StrEnum

import psycopg

from workers.core.settings import settings
from workers.neighbors.hnsw_index import count_vectors, index_is_ready


class Search(StrEnum):
    """How a worker finds who is near."""

    exact = "exact"  # everyone's vector is in its memory
    sketched = "sketched"  # everyone's sketch is, and Postgres compares
    indexed = "indexed"  # Postgres looks into its index


def how_to_search(conn: psycopg.Connection) -> Search:
    """Beyond what sketches are for they serve until there is an index."""
    population = count_vectors(conn)
    if population <= most_students(Search.exact):
        return Search.exact
    if population <= most_students(Search.sketched) or not index_is_ready(conn):
        return Search.sketched
    return Search.indexed


def most_students(search: Search) -> float:
    """Up to how many students they are searched so."""
    return {
        Search.exact: settings().exact_search_max_students,
        Search.sketched: settings().most_without_index,
        Search.indexed: float("inf"),
    }[search]
