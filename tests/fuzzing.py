"""How long the fuzz tests look: the same examples every time, or more and other ones.

FUZZ_FACTOR=20 in the environment looks at twenty times as many examples, drawn at random.
"""

import os

from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))


def fuzz(examples: int) -> settings:
    """Settings of a test that looks at so many examples; apply it like `@settings`."""
    return settings(
        max_examples=examples * FACTOR,
        derandomize=FACTOR == 1,
        deadline=None,
        print_blob=True,
        # Examples share a database on purpose, and large ones are the point.
        suppress_health_check=list(HealthCheck),
    )
