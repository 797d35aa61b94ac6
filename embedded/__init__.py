"""Everything `make run` starts: Postgres, Redis and the Procfile under one supervisor.

`python -m embedded` is the whole stack for a person at a terminal; `embedded.services` holds the
context manager for tests. Production needs none of it: there DATABASE_URL and REDIS_URL are set.
"""
