"""Records for TensorBoard: a folder each, with the curves, the final figures, and the parameters under HPARAMS."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..board.board import file_name
from ..errors import InputError
from ..files import durable, inside
from .account import Account, Outcome
from .needs import check_installed

#: The name of a file that was written here: the digest of what is in it stands at its end.
EVENTS = re.compile(r"events\.out\.tfevents\.\d+\.fer-bench\.([0-9a-f]{64})")


class TensorBoard:
    """The tracker of a folder, that of ``tensorboard --logdir``. TensorFlow is not needed, and not imported."""

    def __init__(self, folder: str | None) -> None:
        """Raises InputError where TensorBoard is not installed, or the folder can't be written."""
        check_installed("tensorboard", "tensorboard")
        self.root = Path(folder or "tensorboard")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--out {self.root}: {error.strerror}; give another folder") from None
        self.place = str(self.root)
        self.look = f"tensorboard --logdir {shlex.quote(self.place)}"

    def log(self, account: Account) -> Outcome:
        """The folder of a run, with a file of events; one of the same record, when that has changed, goes."""
        folder = inside.make(self.root, self.root / f"{file_name(account.name)}-{account.id}")
        known = {match[1]: match[0] for name in inside.entries(self.root, folder).files if (match := _ours(name))}
        if account.digest in known:
            return "there"
        name = f"events.out.tfevents.{int(account.began)}.fer-bench.{account.digest}"
        try:
            durable.write(folder / name, events(account))
            for other in known.values():
                inside.remove(self.root, folder / other)
        except OSError as error:
            raise InputError(f"{folder}: {error.strerror or error}; give another folder: --out") from None
        return "changed" if known else "new"

    def close(self) -> None:
        """Nothing was started."""


def _ours(name: str) -> re.Match[str] | None:
    return EVENTS.fullmatch(name)


def events(account: Account) -> bytes:
    """A file of events, as TensorBoard reads it."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    content = io.BytesIO()
    writer = RecordWriter(content)
    writer.write(Event(wall_time=account.began, file_version="brain.Event:2").SerializeToString())
    last = account.epochs[-1].step if account.epochs else 0
    for value in (*_parameters(account), _tags(account)):
        writer.write(Event(wall_time=account.began, step=0, summary=Summary(value=[value])).SerializeToString())
    for epoch in account.epochs:
        values = [Summary.Value(tag=name, simple_value=figure) for name, figure in epoch.figures.items()]
        writer.write(Event(wall_time=epoch.time, step=epoch.step, summary=Summary(value=values)).SerializeToString())
    finals = [Summary.Value(tag=name, simple_value=figure) for name, figure in account.figures.items()]
    writer.write(Event(wall_time=account.ended, step=last, summary=Summary(value=finals)).SerializeToString())
    return content.getvalue()


def _parameters(account: Account) -> Iterator[Any]:
    """What the tab HPARAMS shows: the parameters, and how the run ended."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    start = plugin_data_pb2.SessionStartInfo(group_name=account.id, start_time_secs=account.began)
    for name, value in account.parameters.items():
        place = start.hparams[name]
        if isinstance(value, bool):
            place.bool_value = value
        elif isinstance(value, str):
            place.string_value = value
        else:
            place.number_value = value
    status = api_pb2.STATUS_SUCCESS if account.status == "ok" else api_pb2.STATUS_FAILURE
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=account.ended)
    told = {
        metadata.SESSION_START_INFO_TAG: plugin_data_pb2.HParamsPluginData(session_start_info=start),
        metadata.SESSION_END_INFO_TAG: plugin_data_pb2.HParamsPluginData(session_end_info=end),
    }
    for tag, data in told.items():
        yield Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)


def _tags(account: Account) -> Any:
    """What the tab TEXT shows: the tags, as a table in Markdown."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text import metadata

    lines = [f"| {name} | {value.replace('|', '/')} |" for name, value in account.tags.items()]
    table = "\n".join(["| record | |", "| --- | --- |", *lines])
    tensor = TensorProto(dtype=DT_STRING, string_val=[table.encode()])
    described = metadata.create_summary_metadata(display_name=None, description=None)
    return Summary.Value(tag="record", metadata=described, tensor=tensor)
