"""The form of a record's file: how it is read, and how it is written so that it can be read."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from ..errors import InputError
from ..files.json_file import parse_json
from .checks import fault
from .migrations import migrated
from .record import RunRecord


def record_of(content: bytes) -> RunRecord:
    """The record that a record.json holds, brought to this program's version.

    Raises InputError, without the file's name, where it is none or is of a later version.
    """
    try:
        record = RunRecord.model_validate(migrated(parse_json(content)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:120]
        raise InputError(f"not a valid record ({where}: {first['msg'][:120]})") from None
    if wrong := fault(record):
        raise InputError(f"not a valid record ({wrong})")
    return record


def content_of(record: RunRecord) -> bytes:
    """What a record.json is to hold. Raises InputError where ``record_of`` would not read it."""
    try:
        content = record.model_dump_json(indent=1, warnings=False).encode() + b"\n"
    except (PydanticSerializationError, ValueError, RecursionError) as error:  # surrogates; levels without end
        raise InputError(f"not writable as JSON ({' '.join(str(error).split())[:120]})") from None
    record_of(content)
    return content
