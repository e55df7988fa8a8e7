"""The command line. Every heavy import stands inside its command, so that ``--help`` is instant."""

from .main import main

__all__ = ["main"]
