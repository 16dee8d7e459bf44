"""What processes beside answer with in tests: in a module of its own, which they import."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from functools import partial
from operator import floordiv

from closedloop.adapters.times import BadTime


def divide(whole: int) -> Callable[[int], int]:
    """Answer with the parts of a whole."""
    return partial(floordiv, whole)


def echo() -> Callable[[str], str]:
    """Answer with what was said."""
    return str


def fail_unreadably() -> Callable[[object], None]:
    """Answer with an error that cannot be read at the other end."""
    return _fail


def _fail(_: object) -> None:
    raise BadTime("a", "b", "c")


def break_off() -> Callable[[object], None]:
    """End in the middle of an answer."""
    os.write(int(sys.argv[2]), struct.pack("!i", 100) + b"begun")
    os._exit(0)
