"""One epoch of every deep runner, each line in a process of its own: images/s after an epoch that takes the
compilation.
"""

from __future__ import annotations

import pytest

from .measure import describe, elsewhere, scaled, told
from .notebook import FREEZING

#: Images of an epoch: so many that one takes some seconds on two cores.
IMAGES = {
    "mlp": 8192,
    "custom-cnn": 1024,
    "stacked-cnn": 2048,
    "vgg-bottleneck": 1024,
    "vgg19-frozen": 768,
    "vgg19-full": 384,
    "mini-xception": 2048,
    "inception-v3": 512,
    "inception-v3-flatten": 512,
    "resnet50": 512,
    "staged-cnn": 1024,
}
EPOCHS = 3
NOTEBOOK = "notebook (ImageDataGenerator + fit)"


def cases():
    """(runner, line, subject, label, role) of every training."""
    for name in IMAGES:
        if name in FREEZING:
            frozen = f"{name}, backbone frozen"
            yield name, "notebook-whole", name, NOTEBOOK, "baseline"
            yield name, "tuned", name, "tuned", "ours"
            yield name, "notebook", frozen, NOTEBOOK, "baseline"
            yield name, "published", frozen, "published", "ours"
        else:
            yield name, "notebook", name, NOTEBOOK, "baseline"
            yield name, "published", name, "published", "ours"
            yield name, "tuned", name, "tuned", "ours"


@pytest.mark.benchmark(group="training", timer=told)
@pytest.mark.parametrize(
    ("name", "line", "subject", "label", "role"), [pytest.param(*case, id="-".join(case[:2])) for case in cases()]
)
def test_training(benchmark, faces_file, name, line, subject, label, role):
    images = scaled(IMAGES[name], least=128)
    result = elsewhere("one_training", name, line, faces_file, images, EPOCHS + 1)
    note = f"set-up {result['setup_seconds']:.0f} s"
    describe(benchmark, subject, label, role=role, unit="images/s", images=images, note=note)
    told.report(benchmark, result["seconds"])
