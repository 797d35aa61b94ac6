"""Tracebacks as they are kept: paths begin at the checkout, wherever that is."""

import traceback
from pathlib import Path

ROOT = f"{Path(__file__).parents[2]}/"


def traceback_of(error: BaseException) -> str:
    """What Python prints of an exception and its causes, without local variables."""
    return "".join(traceback.format_exception(error)).replace(f'File "{ROOT}', 'File "')
