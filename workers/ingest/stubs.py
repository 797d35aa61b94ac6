"""Rows for students and books that other facts name before their own event has come."""

from collections.abc import Collection, Hashable

import psycopg

from workers.core.queries import query
from workers.ingest.effects import returned_ids

INSERT_STUDENTS = query("ingest/stubs.insert_students")
INSERT_BOOKS = query("ingest/stubs.insert_books")


def insert_students(conn: psycopg.Connection, student_ids: Collection[str]) -> set[Hashable]:
    """Insert rows of students not known yet; returns their ids."""
    return returned_ids(conn, INSERT_STUDENTS, list(student_ids))


def insert_books(conn: psycopg.Connection, book_ids: Collection[str]) -> set[Hashable]:
    """Insert rows of books not known yet; returns their ids."""
    return returned_ids(conn, INSERT_BOOKS, list(book_ids))
