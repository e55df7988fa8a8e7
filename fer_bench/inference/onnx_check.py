"""An ONNX file of unknown origin, looked through before onnxruntime makes anything of it, and without the onnx package.

The file is one message of Protocol Buffers; the numbers below are those of the fields in onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import InputError, brief

#: Operators of the standard, and those that onnxruntime has itself; libraries for others are never loaded.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
#: A model of 400 layers exports to some 3,000; a loop need never end, and a context is a file of another program.
MOST_NODES, MOST_DEPTH = 50_000, 4
FORBIDDEN = ("Loop", "EPContext")
#: A name, or a key of the metadata.
LONGEST_KEY = 1000
#: Of ModelProto.
GRAPH, METADATA, FUNCTIONS = 7, 14, 25
#: Of GraphProto.
NODE, INITIALIZER, SPARSE = 1, 5, 15
#: Of NodeProto, StringStringEntryProto and AttributeProto.
OP_TYPE, ATTRIBUTE, DOMAIN = 4, 5, 7
KEY, VALUE = 1, 2
TENSOR, SUBGRAPH, TENSORS, SUBGRAPHS = 5, 6, 10, 11
#: Of TensorProto: where numbers lie in another file, and whether they do.
EXTERNAL, LOCATION = 13, 14
#: How Protocol Buffers write a value: as a number of seven bits a byte, in 8 bytes, with its length before it, in 4.
VARINT, EIGHT, LENGTH, FOUR = 0, 1, 2, 5


class _Malformed(ValueError):
    """Not Protocol Buffers."""


def check(content: bytes, where: str) -> dict[str, str]:
    """The metadata of an ONNX model: key -> value.

    Args:
        content: of the file.
        where: its name, for messages.

    Raises:
        InputError: no ONNX file, or one with anything in it that could run code, read other files or run for ever.
    """
    metadata: dict[str, str] = {}
    graphs = 0
    try:
        for number, kind, value in _fields(memoryview(content)):
            if kind != LENGTH:
                continue
            if number == METADATA:
                entry = {field: bytes(text) for field, _, text in _fields(value)}
                metadata[entry.get(KEY, b"").decode()[:LONGEST_KEY]] = entry.get(VALUE, b"").decode()
            elif number == FUNCTIONS:
                raise InputError(f"{where}: defines operators of its own, which are not run here")
            elif number == GRAPH:
                graphs += 1
                _Graphs(where).look(value, 0)
    except (_Malformed, UnicodeDecodeError, TypeError):
        raise InputError(f"{where}: not an ONNX file, or a damaged one") from None
    if graphs != 1:
        raise InputError(f"{where}: not an ONNX file, or a damaged one")
    return metadata


class _Graphs:
    """Counts the operators of a model, and refuses what none needs; ``where`` is its name in messages."""

    def __init__(self, where: str) -> None:
        self.where, self.nodes = where, 0

    def look(self, graph: memoryview, depth: int) -> None:
        if depth > MOST_DEPTH:
            raise InputError(f"{self.where}: graphs within graphs, more than {MOST_DEPTH} deep")
        for number, _, value in _fields(graph):
            if number == NODE:
                self._node(value, depth)
            elif number == INITIALIZER:
                self._tensor(value)
            elif number == SPARSE:
                raise InputError(f"{self.where}: sparse weights, which no model here has")

    def _node(self, node: memoryview, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise InputError(f"{self.where}: more than {MOST_NODES:,} operators, which are the limit")
        for number, _, value in _fields(node):
            if number == OP_TYPE and (name := bytes(value).decode()) in FORBIDDEN:
                raise InputError(f"{self.where}: has the operator {name}, which is not run here")
            if number == DOMAIN and (name := bytes(value).decode()) not in DOMAINS:
                raise InputError(f"{self.where}: has operators of {brief(name)}, which are not run here")
            if number == ATTRIBUTE:
                self._attribute(value, depth)

    def _attribute(self, attribute: memoryview, depth: int) -> None:
        for number, kind, value in _fields(attribute):
            if kind == LENGTH and number in (TENSOR, TENSORS):
                self._tensor(value)
            elif kind == LENGTH and number in (SUBGRAPH, SUBGRAPHS):
                self.look(value, depth + 1)

    def _tensor(self, tensor: memoryview) -> None:
        if any(number == EXTERNAL or (number == LOCATION and value) for number, _, value in _fields(tensor)):
            raise InputError(f"{self.where}: its weights lie in another file, which is not read; export it as one file")


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """The fields of a message: number, how it is written, value; of a number its bytes, empty where it is 0."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == VARINT:
            value, end = _varint(message, at)
            yield key >> 3, kind, memoryview(value.to_bytes(10, "little").rstrip(b"\0"))
        elif kind == LENGTH:
            length, at = _varint(message, at)
            end = at + length
            yield key >> 3, kind, message[at:end]
        elif kind in (EIGHT, FOUR):
            end = at + (8 if kind == EIGHT else 4)
            yield key >> 3, kind, message[at:end]
        else:
            raise _Malformed(kind)
        if end > len(message):
            raise _Malformed(end)
        at = end


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for place in range(10):
        if at + place >= len(message):
            raise _Malformed(at)
        byte = message[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & (1 << 64) - 1, at + place + 1
    raise _Malformed(at)
