"""Weights files of another network: told from the file alone, and refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_bench.cli import main
from fer_bench.errors import InputError
from fer_bench.training import weights
from fer_bench.training.network import check_weights, networks


def save(application: str, path: Path) -> Path:
    import keras

    model = getattr(keras.applications, application)(weights=None, include_top=False, input_shape=(75, 75, 3))
    model.save_weights(path) if path.name.endswith(".weights.h5") else model.save(path)
    return path


@pytest.fixture(scope="module")
def vgg16(tmp_path_factory) -> Path:
    return save("VGG16", tmp_path_factory.mktemp("weights") / "vgg16.weights.h5")


@pytest.mark.parametrize(
    ("application", "found"),
    [
        ("VGG19", ["VGG19"]),
        ("ResNet50", ["ResNet50", "ResNet50V2"]),
        ("InceptionV3", ["InceptionV3"]),
        ("MobileNetV3Small", ["MobileNetV3Small"]),
    ],
)
def test_a_file_tells_its_network(tmp_path, application, found):
    assert networks(save(application, tmp_path / "own.weights.h5")) == found


@pytest.mark.parametrize("name", ["own.h5", "own.keras"])
def test_so_does_a_whole_model(tmp_path, name):
    assert networks(save("VGG16", tmp_path / name)) == ["VGG16"]


def test_the_optimizer_of_a_file_does_not_count(tmp_path, vgg16):
    import shutil

    import h5py
    import numpy as np

    path = tmp_path / "trained.weights.h5"
    shutil.copy(vgg16, path)
    with h5py.File(path, "a") as file:
        file["optimizer/vars/1"] = np.ones((3, 3, 3, 64), "float32")
    assert networks(path) == ["VGG16"]


def test_files_that_are_none_of_these(tmp_path):
    import keras

    path = tmp_path / "own.weights.h5"
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3)]).save_weights(path)
    assert networks(path) == []
    check_weights(path, "VGG19", "vgg19-full")  # whether it fits, only building the model says
    for name, content in (("text.txt", b"1 2"), ("broken.weights.h5", b"no HDF5"), ("broken.keras", b"no zip")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"^--weights .*{name}: neither a"):
            check_weights(tmp_path / name, "VGG19", "vgg19-full")


def test_a_run_with_the_weights_of_the_other_vgg_is_refused_before_it_starts(tiny_npz, tmp_path, vgg16):
    def run(*names: str) -> tuple[int, str]:
        arguments = ["--weights", str(vgg16), "--data", str(tiny_npz), "--results", str(tmp_path / "results")]
        done = CliRunner().invoke(main, ["run", *names, *arguments, "--dry-run"])
        return done.exit_code, done.stderr

    for name in ("vgg-bottleneck", "vgg19-full", "vgg19-frozen"):
        code, said = run("vgg-bottleneck[backbone=vgg16]", name)
        assert code == 2
        assert f"--weights {vgg16}: these are weights of VGG16, and {name} wants those of VGG19" in said
    assert run("vgg-bottleneck[backbone=vgg16]", "svm")[0] == 0
    assert not (tmp_path / "results").exists()


def test_a_runner_that_does_not_say_what_it_wants_learns_it_when_it_builds(vgg16):
    with pytest.raises(InputError, match="weights of VGG16, and this run wants those of VGG19"):
        weights.backbone("VGG19", (48, 48, 3), str(vgg16))
    model, init = weights.backbone("VGG16", (48, 48, 3), str(vgg16))
    assert (model.count_params(), init) == (14_714_688, "file:vgg16.weights.h5")
