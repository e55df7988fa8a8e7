"""Executors: they run the jobs of a sweep, on this machine or on a cluster."""

from ..place import Gone
from .executor import Busy, Executor
from .local import Local
from .words import NAMES, Words, check, make

__all__ = ["NAMES", "Busy", "Executor", "Gone", "Local", "Words", "check", "make"]
