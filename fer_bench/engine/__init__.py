"""The engine: plans jobs, runs each in a process of its own, keeps a record of every outcome."""

from .run import run
from .sweep import Interrupted, Observer, Step, survey, sweep

__all__ = ["Interrupted", "Observer", "Step", "run", "survey", "sweep"]
