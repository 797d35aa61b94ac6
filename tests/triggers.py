"""What the database does of its own accord when something is stored: a fault, or interference."""

from tests.library import change


def on_insert(table: str, statement: str, *, only: str | None = None) -> None:
    """Until `off_insert`, run a PL/pgSQL statement ahead of inserts.

    Args:
        only: rows for which this holds, one by one; without it once for each INSERT.
    """
    change(
        f"CREATE OR REPLACE FUNCTION interfere_{table}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {statement}; RETURN NEW; END $$"
    )
    each = "STATEMENT" if only is None else f"ROW WHEN ({only})"
    change(
        f"CREATE TRIGGER interfere BEFORE INSERT ON {table} FOR EACH {each}"
        f" EXECUTE FUNCTION interfere_{table}()"
    )


def off_insert(table: str) -> None:
    """Nothing interferes any more."""
    change(f"DROP TRIGGER interfere ON {table}")
