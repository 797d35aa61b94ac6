"""Make a key from the command line, which is printed this once.

    python -m workers.operations.new_key ROSA teacher "Ms. Abara" "Mr. Varga"

Whoever can run this can read and write the database anyway.
"""

import argparse
import sys

from workers.core.api_keys import Role
from workers.core.boot import open_process
from workers.core.errors import KeyNameTakenError
from workers.core.logs import configure_logging
from workers.core.stored_keys import make_key


def main() -> int:
    """Make the key that the command line describes; 1 if there is one of its name."""
    parser = argparse.ArgumentParser(description="Make a key and print it, this once.")
    parser.add_argument("name")
    parser.add_argument("role", choices=[role.value for role in Role])
    parser.add_argument("homerooms", nargs="*", help="whose children a teacher sees")
    given = parser.parse_args()
    configure_logging(sys.stderr)
    with open_process("command"):
        try:
            print(make_key(given.name, Role(given.role), given.homerooms, made_by="command"))  # noqa: T201
        except (ValueError, KeyNameTakenError) as error:
            print(error, file=sys.stderr)  # noqa: T201
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
