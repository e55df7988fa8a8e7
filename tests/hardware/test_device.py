"""Device and backend are chosen from what is installed and what the machine has; both are faked here."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from fer_bench.errors import InputError
from fer_bench.hardware import device, host


@pytest.fixture
def machine(monkeypatch):
    """Sets the GPUs that nvidia-smi lists and the backends that have CUDA."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def has(gpus: list[str], cuda: list[str], smi_fails: bool = False) -> None:
        monkeypatch.setattr(device.shutil, "which", lambda name: "/bin/nvidia-smi" if gpus or smi_fails else None)
        answer = SimpleNamespace(returncode=9 if smi_fails else 0, stdout="\n".join(gpus))
        monkeypatch.setattr(subprocess, "run", lambda *a, **k: answer)
        monkeypatch.setattr(device, "gpu_backends", lambda: cuda)
        device._all_gpus.cache_clear()

    yield has
    device._all_gpus.cache_clear()


def test_no_gpu(machine):
    machine([], [])
    assert device.choose_device("auto") == device.choose_device("cpu") == "cpu"
    for asked in ("gpu", "gpu:0", "gpu:1"):
        with pytest.raises(InputError, match="no NVIDIA GPU"):
            device.choose_device(asked)


def test_a_driver_that_fails_is_no_gpu(machine):
    machine([], ["jax"], smi_fails=True)
    assert device.choose_device("auto") == "cpu"


def test_gpus(machine):
    machine(["A", "B"], ["jax", "torch"])
    assert device.choose_device("auto") == device.choose_device("gpu") == "gpu:0"
    assert device.choose_device("gpu:1") == "gpu:1"
    with pytest.raises(InputError, match="gpu:0 to gpu:1"):
        device.choose_device("gpu:2")
    assert device.choose_backend("auto", "gpu:0") == "jax"


def test_nvidia_smi_is_asked_once(machine, monkeypatch):
    machine(["A"], ["jax"])
    asked, run = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: asked.append(a) or run(*a, **k))
    assert [device.choose() for _ in range(3)] == [("gpu:0", "jax")] * 3
    assert len(asked) == 1


def test_a_gpu_that_no_backend_can_use(machine):
    machine(["A"], [])
    assert device.choose_device("auto") == "cpu"
    with pytest.raises(InputError, match=r"fer-bench\[gpu\]"):
        device.choose_backend("auto", device.choose_device("gpu"))
    with pytest.raises(InputError, match="can't use a GPU"):
        device.choose_backend("tensorflow", "gpu:0")


def test_words_that_mean_nothing(machine):
    machine([], [])
    for word in ("tpu", "gpu:x", "gpu:-1", "cuda:0", ""):
        with pytest.raises(InputError, match="give auto, cpu, gpu or gpu:N"):
            device.choose_device(word)
    with pytest.raises(InputError, match="give auto, tensorflow"):
        device.choose_backend("theano", "cpu")


def test_a_backend_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(device, "_installed", lambda module: module == "jax")
    with pytest.raises(InputError, match=r"not installed; pip install 'fer-bench\[torch\]'"):
        device.choose_backend("torch", "cpu")
    assert device.choose_backend("auto", "cpu") == "jax"


def test_callers_choice_of_gpus_is_kept(machine, monkeypatch):
    machine(["A", "B", "C"], ["jax"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    assert device.gpus() == ["C", "A"]
    assert device.process_variables(device.Target("gpu:0", "jax"))["CUDA_VISIBLE_DEVICES"] == "2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert device.choose_device("auto") == "cpu"


def test_environment(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    cpu = device.process_variables(device.Target("cpu", "tensorflow"), threads=3)
    assert cpu["KERAS_BACKEND"] == "tensorflow"
    assert cpu["CUDA_VISIBLE_DEVICES"] == "-1"
    assert {cpu[name] for name in cpu if name.endswith("_NUM_THREADS") or name.endswith("OP_THREADS")} == {"3"}
    gpu = device.process_variables(device.Target("gpu:1", "jax"))
    assert gpu["CUDA_VISIBLE_DEVICES"] == "1"
    assert "JAX_PLATFORMS" not in gpu


def test_threads_are_always_said(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "1")
    free = device.process_variables(device.Target("cpu", "tensorflow"))
    assert free["OMP_NUM_THREADS"] == str(host.cores())
    assert free["MKL_NUM_THREADS"] == "1"
    assert device.process_variables(device.Target("cpu", "tensorflow"), threads=3)["MKL_NUM_THREADS"] == "3"


def test_one_run_at_a_time_has_a_gpu(monkeypatch, tmp_path):
    """Also where two processes name it differently."""
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    code = "from fer_bench.hardware import device\nwith device.alone_on({!r}) as free: print(free)"

    def elsewhere(name: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code.format(name)],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    with device.alone_on("gpu:1") as free:
        assert free
        assert elsewhere("gpu:1") == "False"
        assert elsewhere("gpu:0", CUDA_VISIBLE_DEVICES="1") == "False"
        assert elsewhere("gpu:0") == "True"
        assert elsewhere("cpu") == "True"
    assert elsewhere("gpu:1") == "True"


def test_bfloat16_only_where_the_processor_has_it(monkeypatch):
    monkeypatch.setattr(host, "cpu_flags", lambda: frozenset({"avx2", "avx512_bf16"}))
    assert device.precision("mixed_bfloat16", "cpu") == "mixed_bfloat16"
    monkeypatch.setattr(host, "cpu_flags", lambda: frozenset({"avx2"}))
    assert device.precision("mixed_bfloat16", "cpu") == "float32"
    assert device.precision("mixed_bfloat16", "gpu:0") == "mixed_bfloat16"


def test_describe_says_what_runs():
    import keras

    assert device.describe()["backend"] == keras.backend.backend()
    assert device.describe()["device"]


@pytest.mark.parametrize("value", ["²", "٣", "many", "-1", "9" * 20, "4;4", "1.5"])
def test_a_variable_that_is_no_number_of_threads_is_refused_by_its_name(monkeypatch, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    with pytest.raises(InputError, match=r"OMP_NUM_THREADS=.* in the environment"):
        device.choose("cpu")
    assert "OMP_NUM_THREADS" not in host.thread_limits()  # `doctor` goes on


def test_threads_for_each_level_of_nesting_are_understood(monkeypatch):
    for name in host.THREADS:
        monkeypatch.setenv(name, "3,2")
    assert device.process_variables(device.choose("cpu"))["TF_NUM_INTEROP_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in host.thread_limits()  # it is no single number
