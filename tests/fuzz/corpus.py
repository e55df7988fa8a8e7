"""Sound inputs of every form, small, from which the mutated ones are made."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from made_models import tiny_onnx
from made_records import predictions, record
from PIL import Image
from pyarrow import parquet

from fer_bench.data.dataset import EMOTIONS, USAGES

ROWS = 7
LABELS = np.arange(ROWS) % 7
USAGE = np.arange(ROWS) % 3
IMAGES = np.random.default_rng(0).integers(0, 256, (ROWS, 48, 48), np.uint8)
IMAGES[1:] //= 26  # one digit a pixel: most bytes of the file are then something else's


def picture(row: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(IMAGES[row]).save(out, kind)
    return out.getvalue()


def photo() -> bytes:
    """A picture in color, as a phone writes it: stored lying on its side, and with a preview behind it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    picture = Image.fromarray(np.stack([IMAGES[0]] * 3, -1))
    picture.save(out, "MPO", exif=exif, save_all=True, append_images=[picture.resize((16, 16))])
    return out.getvalue()


def video(suffix: str, code: str) -> bytes:
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"clip{suffix}")
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 25, (48, 48))
        for image in IMAGES:
            writer.write(np.stack([image] * 3, -1))
        writer.release()
        return path.read_bytes()


def model() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return tiny_onnx(Path(folder, "tiny.onnx")).read_bytes()


def _deep(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(IMAGES[0].astype(np.uint16) << 4).save(out, kind)
    return out.getvalue()


KINDS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
TREE = {
    f"{('train', 'validation', 'test')[row % 3]}/{EMOTIONS[row]}/{row}.{KINDS[row].lower()}": picture(row, KINDS[row])
    for row in range(ROWS)
}


#: The same with what else lies in such folders, and with pixels of 16 bits.
FULL_TREE = {
    **TREE,
    "labels.csv": b"file,label\n" + "".join(f"{name},{name.split('/')[1]}\n" for name in TREE).encode(),
    "train/anger/deep.png": _deep("PNG"),
    "test/fear/deep.jp2": _deep("JPEG2000"),
    "test/fear/none": _deep("TIFF"),
    "test/fear/Thumbs.db": b"by-product",
}


def table(header: str = "emotion,pixels,Usage,subject") -> bytes:
    lines = [header]
    for row in range(ROWS):
        pixels = " ".join(map(str, IMAGES[row].ravel()))
        lines.append(f"{LABELS[row]},{pixels},{USAGES[USAGE[row]]},s{row}")
    return ("\n".join(lines) + "\n").encode()


def spoken() -> bytes:
    """A table of people's own: semicolons, words beside numbers, and line ends within the pixels."""
    lines = ["label;pixels;emotion_name;split"]
    for row in range(ROWS):
        pixels = "\n".join(" ".join(map(str, line)) for line in IMAGES[row])
        lines.append(f'{LABELS[row]}.0;"{pixels}";{EMOTIONS[row].title()};{("train", "val", "testing")[USAGE[row]]}')
    return ("\n".join(lines) + "\n").encode()


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files: Mapping[str, bytes], packed: bool = True) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), 1) if packed else out.getvalue()


def arrays(**given: object) -> bytes:
    out = io.BytesIO()
    np.savez(out, **{name: np.asarray(value) for name, value in given.items()})
    return out.getvalue()


def columns(given: Mapping[str, object]) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.table(dict(given)), out)
    return out.getvalue()


def probabilities() -> np.ndarray:
    return np.random.default_rng(1).dirichlet(np.ones(7), ROWS).astype(np.float32)


def predicted(image: str = "row", names: Sequence[object] = range(ROWS)) -> bytes:
    lines = [f"{image},emotion," + ",".join(EMOTIONS)]
    lines += [
        f"{names[row]},{EMOTIONS[row]}," + ",".join(f"{p:.4f}" for p in line)
        for row, line in enumerate(probabilities())
    ]
    return ("\n".join(lines) + "\n").encode()


def run_predictions() -> bytes:
    given = predictions(record("svm"))
    return arrays(**given._asdict(), **{f"val_{name}": value[:0] for name, value in given._asdict().items()})


#: The name of a file, and what stands in it.
FILES: dict[str, bytes] = {
    "table.csv": table(),
    "spoken.csv": spoken(),
    "table.zip": zipped({"fer2013/fer2013.csv": table(), "README.md": b"read me"}),
    "faces.zip": zipped(TREE),
    "table.tar.gz": tarred({"fer2013/fer2013.csv": table()}),
    "faces.tar": tarred(TREE, packed=False),
    "full.zip": zipped(FULL_TREE),
    "faces.npz": arrays(images=IMAGES, labels=LABELS, usage=USAGE, subject=[f"s{row}" for row in range(ROWS)]),
    "faces.parquet": columns({
        "image": [{"bytes": picture(row), "path": f"{row}.png"} for row in range(ROWS)],
        "label": LABELS.tolist(),
        "subject": [f"s{row}" for row in range(ROWS)],
    }),
    "doubled.parquet": columns({
        "image": IMAGES.tolist(),
        "pixels": [" ".join(map(str, image.ravel())) for image in IMAGES],
        "label": LABELS.tolist(),
        "emotion": [EMOTIONS[label] for label in LABELS],
        "subject": [f"s{row}" for row in range(ROWS)],
    }),
    "photo.jpg": photo(),
    "photo.png": _deep("PNG"),
    "clip.avi": video(".avi", "MJPG"),
    "clip.mp4": video(".mp4", "mp4v"),
    "model.onnx": model(),
    "predicted.csv": predicted(),
    "predicted.files.csv": predicted("file", list(TREE)),
    "predicted.csv.gz": gzip.compress(predicted()),
    "predicted.npz": arrays(rows=np.arange(ROWS), labels=LABELS, probabilities=probabilities()),
    "predicted.parquet": columns({"row": range(ROWS)} | dict(zip(EMOTIONS, probabilities().T.astype(float), strict=True))),
    "predictions.npz": run_predictions(),
    "record.json": json.dumps(json.loads(record("svm").model_dump_json()), indent=1).encode(),
    "history.csv": b"epoch,loss,accuracy,val_loss,val_accuracy,stage\n1,2.0,0.2,1.9,0.25,1\n2,1.5,0.4,1.8,0.3,1\n3,1.2,0.5,1.7,0.35,2\n",
}  # fmt: skip
