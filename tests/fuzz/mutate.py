"""Ways to spoil an input: bytes of any file, and the structure of each form."""

from __future__ import annotations

import io
import json
import pickle
import re
import struct
import tarfile
import zipfile
from typing import Any

import numpy as np
from corpus import FILES, IMAGES, LABELS, TREE, arrays, columns, picture
from hypothesis import strategies as st

NUMBERS = (
    "",
    "-1",
    "0",
    "7",
    "256",
    "65536",
    "4294967296",
    "9" * 30,
    "1e999",
    "-1e-9",
    "nan",
    "inf",
    "0x1",
    "1_0",
    "٣",
    "1.5",
    "00",
)
TEXTS = (
    "", " ", "\0", "\r", "\n", '"', '""",', ",", "," * 3000, "\ufeff", "é", "\ud7ff", "x" * 200_000, "../../evil", "/etc/passwd",
    "C:\\evil.png", "=1+1", "\x1b[31mred", "</script><script>alert(1)</script>", "](http://evil)", "`|*_", "$x^{$", "\u202e", "happy",
)  # fmt: skip
CODES = [struct.pack("<I", value) for value in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)] + [
    b"\xff" * 8,
    bytes(8),
    b"PK\x05\x06",
]
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**30,
    10**5000,
    1e308,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    {"": {}},
    *TEXTS,
)


class Marker:
    """Unpickled, it says so: nothing may."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("__import__('os').mkdir('unpickled')",)


@st.composite
def bytes_of(draw: st.DrawFn, start: bytes) -> bytes:
    """Some changes to a file, wherever they fall."""
    content = bytearray(start)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["flip", "cut", "drop", "double", "splice", "code", "number", "text"]))
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.integers(1, 64))
        if kind == "flip" and content:
            content[at] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del content[at:]
        elif kind == "drop":
            del content[at : at + length]
        elif kind == "double":
            content[at:at] = content[at : at + 100 * length]
        elif kind == "splice":
            other = FILES[draw(st.sampled_from(sorted(FILES)))]
            place = draw(st.integers(0, len(other) - 1))
            content[at : at + length] = other[place : place + 20 * length]
        elif kind == "code":
            code = draw(st.sampled_from(CODES))
            content[at : at + len(code)] = code
        elif kind == "number":
            found = re.compile(rb"\d+").search(content, at)
            if found:
                content[found.start() : found.end()] = draw(st.sampled_from(NUMBERS)).encode()
        elif kind == "text":
            content[at : at + draw(st.integers(0, 8))] = draw(st.sampled_from(TEXTS)).encode()
    return bytes(content)


@st.composite
def csv_cells(draw: st.DrawFn, start: bytes) -> bytes:
    """Cells and line ends replaced."""
    lines = [line.split(",") for line in start.decode().splitlines()]
    for _ in range(draw(st.integers(0, 2))):
        line = draw(st.sampled_from(lines))
        line[draw(st.integers(0, len(line) - 1))] = draw(st.sampled_from([*NUMBERS, *TEXTS, " ".join(["7"] * 2303)]))
    end = draw(st.sampled_from(["\n"] * 5 + ["\r\n", "\r", "\n\n", "\n \n"]))
    return (end.join(",".join(line) for line in lines) + end).encode(
        draw(st.sampled_from(["utf-8"] * 5 + ["utf-8-sig", "utf-16"]))
    )


NAMES = (
    "../../evil.png", "/evil.png", "C:\\evil.png", "..\\evil.png", "train/happy/../../../evil.png", "train/happy/x" + "y" * 300 + ".png",
    "train/happy/\0.png", "fer2013.csv", "inner.zip", "train/happy/.png", "train/happy/é.png", "happy/1.png", "",
)  # fmt: skip


@st.composite
def zip_members(draw: st.DrawFn) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(
        out, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
    ) as archive:
        for name in draw(st.lists(st.sampled_from([*NAMES, *TREE]), min_size=1, max_size=5, unique=True)):
            info = zipfile.ZipInfo(name)
            info.external_attr = draw(st.sampled_from([0, 0o100644, 0o120777, 0o020666, 0o010666])) << 16
            archive.writestr(info, draw(member()))
    return out.getvalue()


@st.composite
def tar_members(draw: st.DrawFn) -> bytes:
    out = io.BytesIO()
    kinds = [tarfile.REGTYPE] * 3 + [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
    ]
    kinds += [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.DIRTYPE, b"?"]
    for name in draw(st.lists(st.sampled_from([*NAMES, *TREE]), min_size=1, max_size=5)):
        content, info = draw(member()), tarfile.TarInfo(name[:90].replace("\0", ""))
        info.type, info.linkname = draw(st.sampled_from(kinds)), "/etc/passwd"
        info.size = draw(st.sampled_from([len(content)] * 4 + [0, 10**6, 10**10, 8**11 - 1]))
        padded = content + bytes(-len(content) % 512)
        out.write(info.tobuf(draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))) + padded)
    return out.getvalue() + bytes(1024)


@st.composite
def member(draw: st.DrawFn) -> bytes:
    start = draw(st.sampled_from([picture(0), FILES["table.csv"], FILES["table.zip"], b""]))
    return draw(st.one_of(st.just(start), bytes_of(start)))


@st.composite
def npy_header(draw: st.DrawFn, start: bytes) -> bytes:
    """One array in a file of several, whose header claims something else than there is."""
    shape = draw(
        st.sampled_from(
            ["(7, 48, 48)", "(10000000000,)", "(7, -48, 48)", "(0,)", "()", "(7, 0, 10**9)", "(2**70,)", "None"]
        )
    )
    descr = draw(
        st.sampled_from(
            ["'|u1'", "'<f8'", "'|O'", "'<U1000000000'", "'|V8'", "[('x', '<f8')]", "'<M8[s]'", "'nonsense'", "5"]
        )
    )
    header = (
        f"{{'descr': {descr}, 'fortran_order': {draw(st.sampled_from(['False', 'True', '1']))}, 'shape': {shape}, }}"
    )
    length = draw(st.sampled_from([len(header) + 1, 0, 65535]))
    body = draw(st.sampled_from([pickle.dumps(Marker()), IMAGES.tobytes(), b""]))
    version = draw(st.sampled_from([b"\x01\x00", b"\x03\x00", b"\x09\x09"]))
    array = b"\x93NUMPY" + version + struct.pack("<H", length) + header.encode() + b"\n" + body
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(start)) as given, zipfile.ZipFile(out, "w") as archive:
        chosen = draw(st.sampled_from(given.namelist()))
        for name in given.namelist():
            archive.writestr(name, array if name == chosen else given.read(name))
    return out.getvalue()


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.sampled_from(TEXTS), st.binary(max_size=20),
    st.just({"bytes": picture(0), "path": "x"}), st.just({"bytes": "text"}), st.just([1, 2]),
)  # fmt: skip


@st.composite
def npz_arrays(draw: st.DrawFn) -> bytes:
    """Arrays of other types and shapes under the right names."""
    odd = st.sampled_from([
        np.zeros((3, 3)), np.array(["happy"] * 7), np.array(["x" * 5000] * 7), np.array([b"x"] * 7), np.arange(7.0), np.arange(7) - 1, np.array(5),
        np.full((7, 48, 48), 300), np.zeros((7, 48, 48), bool), np.zeros((7, 0)), np.array([np.nan] * 7), np.array([2**63] * 7, np.uint64),
        np.array(["2020-01-01"] * 7, "M8[s]"), np.array([1j] * 7), np.zeros((7, 7), np.float16), np.zeros(0), np.full((7, 7), 1 / 7),
    ])  # fmt: skip
    given: dict[str, Any] = {
        "images": IMAGES,
        "labels": LABELS,
        "rows": np.arange(7),
        "probabilities": np.full((7, 7), 1 / 7),
    }
    for name in draw(st.lists(st.sampled_from([*given, "usage", "classes", "subject"]), min_size=1, max_size=3)):
        given[name] = draw(odd)
    return arrays(**given)


@st.composite
def parquet_columns(draw: st.DrawFn) -> bytes:
    """Columns of any type under the right names."""
    names = draw(
        st.lists(
            st.sampled_from(["image", "label", "usage", "pixels", "subject", "row", "anger", "predicted"]),
            min_size=1,
            unique=True,
        )
    )
    rows = draw(st.integers(0, 3))
    sound: dict[str, Any] = {
        "image": {"bytes": picture(0)},
        "label": 3,
        "row": 0,
        "predicted": "happy",
        "anger": 1.0,
        "usage": "train",
    }
    one = [sound.get(name, "s1") if draw(st.booleans()) else draw(VALUES) for name in names]
    return columns({name: [value] * rows for name, value in zip(names, one, strict=True)})


@st.composite
def json_parts(draw: st.DrawFn, start: bytes) -> bytes:
    """Values, keys and levels replaced."""
    whole = json.loads(start)
    for _ in range(draw(st.integers(1, 3))):
        part, value = whole, draw(st.sampled_from(WRONG))
        while True:
            keys = sorted(part) if isinstance(part, dict) else range(len(part))
            if not len(keys):
                break
            key = draw(st.sampled_from(keys))
            if isinstance(part[key], dict | list) and part[key] and draw(st.booleans()):
                part = part[key]
                continue
            if isinstance(part, dict) and draw(st.integers(0, 9)) == 0:
                part[draw(st.sampled_from([text for text in TEXTS if len(text) < 100]))] = part.pop(key)
            else:
                part[key] = value
            break
    text = json.dumps(whole, default=str) if _short(whole) else "{}"
    deep = draw(st.sampled_from([0] * 15 + [50, 500, 100_000]))
    return (f'{{"schema_version": 1, "x": {"[" * deep}{"]" * deep}}}' if deep else text).encode(
        "utf-8", "surrogatepass"
    )


def _short(whole: Any) -> bool:
    """Whether json can write it: not where Python refuses to write its longest integers."""
    try:
        json.dumps(whole)
    except ValueError:
        return False
    return True
