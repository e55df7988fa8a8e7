"""Keras files from anywhere: what could run code, read files or fill the memory is refused before Keras sees it."""

from __future__ import annotations

import io
import json
import random
import resource
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from fer_bench.errors import InputError
from fer_bench.training import preprocess
from fer_bench.training.model_file import check_hdf5, load_model
from fer_bench.training.weights import load_into


def model() -> keras.Model:
    images = keras.Input((48, 48, 1), dtype="uint8")
    x = preprocess.Preprocess(8, 1, "unit")(images)
    x = keras.layers.Flatten()(x)
    return keras.Model(images, keras.layers.Dense(7, activation="softmax", name="answer")(x))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "model.keras"
    model().save(path)
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, given: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in given.items():
            archive.writestr(name, content)
    return path


def changed(sound: Path, to: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The sound file with its layer "answer" changed."""
    given = members(sound)
    config = json.loads(given["config.json"])
    change(next(layer for layer in config["config"]["layers"] if layer["name"] == "answer"))
    return write(to / "model.keras", given | {"config.json": json.dumps(config).encode()})


def test_what_we_save_is_loaded(sound: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), np.uint8)
    assert load_model(sound)(images).shape == (3, 7)


#: What a layer may not be, and the word of the refusal.
LAYERS: dict[str, dict[str, Any]] = {
    "keras.layers.Lambda": {"class_name": "Lambda", "module": "keras.layers"},
    "keras.layers.TFSMLayer": {"class_name": "TFSMLayer", "module": "keras.layers"},
    "keras.layers.TorchModuleWrapper": {"class_name": "TorchModuleWrapper", "module": "keras.layers"},
    "keras.layers.StringLookup": {"class_name": "StringLookup", "module": "keras.layers"},
    "keras.layers.TextVectorization": {"class_name": "TextVectorization", "module": "keras.layers"},
    "?.Lambda": {"class_name": "Lambda", "module": None},
    "subprocess.Popen": {"class_name": "Popen", "module": "subprocess"},
    "keras.src.layers.core.lambda_layer.Lambda": {
        "class_name": "Lambda",
        "module": "keras.src.layers.core.lambda_layer",
    },
    "keras.layers.Dense under the name 'Lambda'": {"registered_name": "Lambda"},
    "fer_bench.training.preprocess.Dense": {"module": "fer_bench.training.preprocess"},
    "names that are no text": {"class_name": ["Dense"]},
}


@pytest.mark.parametrize("word", LAYERS)
def test_a_layer_that_could_run_code(sound: Path, tmp_path: Path, word: str) -> None:
    path = changed(sound, tmp_path, lambda layer: layer.update(LAYERS[word]))
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert word in str(caught.value)


@keras.saving.register_keras_serializable("another_package")
class Stranger(keras.layers.Layer):
    made = 0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        Stranger.made += 1


def test_a_class_that_another_package_registered(sound: Path, tmp_path: Path) -> None:
    names = {"class_name": "Dense", "module": "keras.layers", "registered_name": "another_package>Stranger"}
    path = changed(sound, tmp_path, lambda layer: layer.update(names))
    with pytest.raises(InputError, match="registered by another package"):
        load_model(path)
    assert Stranger.made == 0
    path = changed(sound, tmp_path, lambda layer: layer.update(class_name="another_package>Stranger"))
    with pytest.raises(InputError, match="registered by another package"):
        load_model(path)
    assert Stranger.made == 0


FUNCTIONS: dict[str, dict[str, Any]] = {
    "get_file": {
        "class_name": "function",
        "module": "keras.utils",
        "config": "get_file",
        "registered_name": "get_file",
    },
    "system": {"class_name": "function", "module": "os", "config": "system", "registered_name": "system"},
    "eval": {"class_name": "function", "module": "builtins", "config": "eval", "registered_name": "eval"},
    "__lambda__": {"class_name": "__lambda__", "config": {"value": "4wAAAA=="}},
    "__typespec__": {"class_name": "__typespec__", "spec_name": "Popen", "module": "subprocess", "config": []},
}


@pytest.mark.parametrize("word", FUNCTIONS)
def test_a_function_in_the_place_of_an_activation(sound: Path, tmp_path: Path, word: str) -> None:
    path = changed(sound, tmp_path, lambda layer: layer["config"].update(activation=FUNCTIONS[word]))
    with pytest.raises(InputError, match=word):
        load_model(path)


HIDDEN = {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "x"}, "registered_name": None}


@pytest.mark.parametrize("key", ["seed", "shared_object_id", "anything"])
def test_a_layer_hidden_under_any_key(sound: Path, tmp_path: Path, key: str) -> None:
    path = changed(sound, tmp_path, lambda layer: layer["config"].update({key: [{"deeper": HIDDEN}]}))
    with pytest.raises(InputError, match="TFSMLayer"):
        load_model(path)


#: What borrows a name that fer_bench has registered, and the word of the refusal.
BORROWED: dict[str, dict[str, Any]] = {
    "function 'system'": {"class_name": "function", "module": "os", "config": "system"},
    "keras.layers.Lambda": {"class_name": "Lambda", "module": "keras.layers", "config": {}},
    "keras.layers.StringLookup": {
        "class_name": "StringLookup",
        "module": "keras.layers",
        "config": {"vocabulary": "x"},
    },
    "fer_bench.training.preprocess.Popen": {"class_name": "Popen", "module": "fer_bench.training.preprocess"},
    "function 'fer_bench>Preprocess'": {
        "class_name": "function",
        "config": "fer_bench>Preprocess",
        "module": "builtins",
    },
}


@pytest.mark.parametrize("word", BORROWED)
def test_a_registered_name_of_ours_stands_for_our_class_alone(sound: Path, tmp_path: Path, word: str) -> None:
    borrowed = {"registered_name": "fer_bench>Preprocess"} | BORROWED[word]
    path = changed(sound, tmp_path, lambda layer: layer["config"].update(activation=borrowed))
    with pytest.raises(InputError, match=word):
        load_model(path)


#: What Keras finds in its modules beside classes of numbers.
NO_CLASSES = {
    "keras.initializers.deserialize": {"class_name": "deserialize", "module": "keras.initializers"},
    "keras.src.ops.core.Map": {"class_name": "Map", "module": "keras.src.ops.core"},
    "keras.src.ops.numpy.np": {"class_name": "np", "module": "keras.src.ops.numpy"},
    "keras.src.ops.numpy.Operation": {"class_name": "Operation", "module": "keras.src.ops.numpy"},
    "keras.layers.deserialize": {"class_name": "deserialize", "module": "keras.layers"},
    "function 'deserialize' of keras.activations": {
        "class_name": "function",
        "module": "keras.activations",
        "config": "deserialize",
    },
}


@pytest.mark.parametrize("word", NO_CLASSES)
def test_what_is_in_a_module_of_keras_and_no_class_of_numbers(sound: Path, tmp_path: Path, word: str) -> None:
    named = {"config": {}, "registered_name": None} | NO_CLASSES[word]
    path = changed(sound, tmp_path, lambda layer: layer["config"].update(kernel_initializer=named))
    with pytest.raises(InputError, match=word):
        load_model(path)


def test_a_text_that_another_package_registered_something_under(sound: Path, tmp_path: Path) -> None:
    path = changed(sound, tmp_path, lambda layer: layer["config"].update(activation="another_package>Stranger"))
    with pytest.raises(InputError, match="registered by another package"):
        load_model(path)


def test_layers_operations_and_activations_of_all_kinds_are_loaded(tmp_path: Path) -> None:
    images = keras.Input((48, 48, 1), dtype="uint8")
    x = preprocess.Preprocess(12, 3, "signed")(images)
    x = keras.layers.Conv2D(4, 3, kernel_regularizer=keras.regularizers.L2(0.1), kernel_constraint="max_norm")(x)
    x = keras.layers.SeparableConv2D(4, 3, activation=keras.activations.gelu)(keras.ops.relu(x) * 2.0 + 1.0)
    x = keras.layers.Dropout(0.5, seed=7)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Bidirectional(keras.layers.GRU(3))(keras.layers.Reshape((-1, 4))(x))
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "relu"), keras.layers.LayerNormalization()])
    model = keras.Model(images, keras.layers.Softmax()(keras.layers.Dense(7)(inner(x))))
    model.save(tmp_path / "model.keras")
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), np.uint8)
    loaded = load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(faces), model(faces), rtol=1e-6)


def test_a_layer_of_absurd_size(sound: Path, tmp_path: Path) -> None:
    path = changed(sound, tmp_path, lambda layer: layer["config"].update(units=10**12))
    with pytest.raises(InputError, match="no size of a model"):
        load_model(path)


def grown(sound: Path, to: Path, layer: dict[str, Any]) -> Path:
    """The sound file with the fields of its layer "answer" changed."""
    return changed(sound, to, lambda answer: answer["config"].update(layer))


def test_more_parameters_than_the_file_has_numbers_are_never_made(sound: Path, tmp_path: Path) -> None:
    path = grown(sound, tmp_path, {"units": 130_000})
    before = peak()
    with pytest.raises(InputError, match=r"a model of 8,450,000 parameters, and holds"):
        load_model(path)
    path = grown(sound, tmp_path, {"units": 1 << 20})
    with pytest.raises(InputError, match=r"a model of 68,157,440 parameters, and holds"):
        load_model(path)
    assert peak() - before < 64 << 20


def peak() -> int:
    """The most bytes of memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.parametrize("nested", [False, True])
def test_a_layer_whose_numbers_only_the_image_tells(tmp_path: Path, nested: bool) -> None:
    any_size = keras.Input((None, None, 1))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.UpSampling2D(100)(any_size))
    model = keras.Model(any_size, keras.layers.Dense(7, "softmax")(x))
    if nested:
        images = keras.Input((48, 48, 1))
        model = keras.Model(images, model(images))
    model.save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=r"layer 'up_sampling2d\w*' gives 23,040,000 numbers an image"):
        load_model(tmp_path / "model.keras")


def test_a_model_for_images_of_any_size_is_loaded(tmp_path: Path) -> None:
    """Also where it can't take faces: its weights may be what is wanted."""
    for channels, size in ((1, 3), (3, 3), (1, 60)):
        any_size = keras.Input((None, None, channels))
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, size)(any_size))
        keras.Model(any_size, keras.layers.Dense(7, "softmax")(x)).save(tmp_path / "model.keras")
        assert load_model(tmp_path / "model.keras").count_params() > 0


def test_a_layer_that_gives_an_absurd_number_of_numbers(sound: Path, tmp_path: Path) -> None:
    images = keras.Input((48, 48, 1), dtype="uint8")
    x = keras.layers.UpSampling2D(100)(preprocess.Preprocess(48, 1)(images))
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(images, keras.layers.Dense(7, "softmax")(x)).save(tmp_path / "model.keras")
    with pytest.raises(InputError, match=r"layer 'up_sampling2d\w*' gives 23,040,000 numbers an image"):
        load_model(tmp_path / "model.keras")


def test_reading_a_model_draws_no_number_from_anybody_elses_row(sound: Path) -> None:
    random.seed(3)
    load_model(sound)
    drawn = random.random()
    random.seed(3)
    keras.models.load_model(sound, compile=False)
    assert drawn == random.random()


def test_a_configuration_nested_too_deep(sound: Path, tmp_path: Path) -> None:
    deep = b'{"config": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with pytest.raises(InputError):
        load_model(write(tmp_path / "model.keras", members(sound) | {"config.json": deep}))


@pytest.mark.parametrize("name", ["assets/vocabulary.txt", "../evil"])
def test_a_member_that_no_model_of_numbers_has(sound: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="which no model needs"):
        load_model(write(tmp_path / "model.keras", members(sound) | {name: b"x"}))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_no_keras_file_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(InputError, match=r"not a readable \.keras file"):
        load_model(tmp_path / "model.keras")


def test_weights_of_a_dangerous_model_are_not_taken_either(sound: Path, tmp_path: Path) -> None:
    path = changed(sound, tmp_path, lambda layer: layer.update(LAYERS["keras.layers.Lambda"]))
    with pytest.raises(InputError, match=r"--weights .*Lambda"):
        load_into(model(), path)


def _huge(file: h5py.File) -> None:
    file.create_dataset("kernel", (10**6, 10**6), "f4", chunks=(1, 1000))


def _bomb(file: h5py.File) -> None:
    file.create_dataset("kernel", data=np.zeros((4000, 4000)), compression="gzip")


def _outside(file: h5py.File) -> None:
    file["kernel"] = h5py.ExternalLink("/etc/passwd", "/")


def _soft(file: h5py.File) -> None:
    file["kernel"] = h5py.SoftLink("/elsewhere")


def _raw(file: h5py.File) -> None:
    file.create_dataset("kernel", (10,), "u1", external=[("/etc/passwd", 0, 10)])


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("kernel", layout)


def _texts(file: h5py.File) -> None:
    file["kernel"] = ["text"]


@pytest.mark.parametrize("fill", [_huge, _bomb, _outside, _soft, _raw, _virtual, _texts])
def test_weights_that_are_not_in_the_file(tmp_path: Path, fill: Callable[[h5py.File], None]) -> None:
    path = tmp_path / "a.weights.h5"
    with h5py.File(path, "w") as file:
        fill(file)
    with pytest.raises(InputError, match="kernel"):
        check_hdf5(path, path)
    with pytest.raises(InputError, match="--weights"):
        load_into(model(), path)


def test_weights_that_go_round_in_a_circle(tmp_path: Path) -> None:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["a"] = np.zeros(3)
        file.create_group("inner")["again"] = file["/"]
    check_hdf5(content, tmp_path)
