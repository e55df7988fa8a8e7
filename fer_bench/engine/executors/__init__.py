"""Executors: they run the jobs of a sweep, on this machine or on a cluster."""

from .executor import Executor, Gone
from .local import Local
from .words import NAMES, Words, check, make

__all__ = ["NAMES", "Executor", "Gone", "Local", "Words", "check", "make"]
