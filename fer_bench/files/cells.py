"""Texts as cells of a CSV file that a spreadsheet opens: none of them is a formula."""

from __future__ import annotations

#: What a spreadsheet takes for the beginning of a formula, or passes over on the way to one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def plain_cell(text: str) -> str:
    """``text``; with an apostrophe before it where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
