"""KerasRunner: a deep model is its ``build`` method and its recipes; everything else is here."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..api.context import Context, FitSummary, Part
from ..api.recipe import NamedRecipe
from ..api.runner import Runner, RunnerInfo
from ..data.dataset import IMAGE_SIZE
from ..hardware.device import precision

if TYPE_CHECKING:
    import keras

FILE = "model.keras"


class KerasRunner(Runner):
    """A system whose ``build`` returns a Keras model; trained by its recipe, stage by stage.

    The model that is trained and saved takes (N, 48, 48, 1) uint8: scaling, resizing and copying to three channels are
    its first layer, augmentation is compiled into the training step.

    >>> from fer_bench import KerasRunner, Recipe
    >>> class Linear(KerasRunner):
    ...     recipes = {"default": Recipe(learning_rate=0.01, epochs=5)}
    ...
    ...     def build(self, input_shape, classes):
    ...         from keras import Sequential, layers
    ...
    ...         return Sequential([layers.Input(input_shape), layers.Flatten(), layers.Dense(classes, "softmax")])
    >>> Linear().build((48, 48, 1), 7).count_params()
    16135
    """

    info: ClassVar[RunnerInfo] = RunnerInfo(family="deep")
    uses: ClassVar[frozenset[str]] = Runner.uses | {"batch"}
    keeps_epochs: ClassVar[bool] = True

    def __init__(self, recipe: str | NamedRecipe = "", **params: Any) -> None:
        super().__init__(recipe, **params)
        self.weights = "random"
        self.init = "random"
        self.precision: str = self.recipe.precision
        self._model: keras.Model | None = None
        self._parameters: dict[str, int] | None = None
        self._has_backbone = False

    @abstractmethod
    def build(self, input_shape: tuple[int, int, int], classes: int) -> keras.Model:
        """The model: (N, *input_shape) float32, scaled as the recipe says -> (N, classes), a softmax."""

    def set_trainable(self, model: keras.Model, trainable: str) -> None:
        """Called with what ``build`` returned before each stage; sets its layers' flags as ``trainable`` names them.

        As it stands it knows only "all", which leaves the flags as ``build`` set them.
        """
        if trainable != "all":
            raise NotImplementedError(f"{type(self).__name__}.set_trainable must say what {trainable!r} means")

    @property
    def side(self) -> int:
        """Pixels: the side that ``build`` gets, to which images, or the windows of them, are resized."""
        return self.recipe.image_size

    def backbone(self, application: str, input_shape: tuple[int, int, int], **kwargs: Any) -> keras.Model:
        """keras.applications.<application> without its top, with the weights that the run asks for.

        ``self.weights`` is "random" outside ``fit``, so counting parameters downloads nothing. Sets ``self.init``.

        Raises:
            InputError: the weights can't be had or don't fit.
        """
        from ..training import weights

        self._has_backbone = True
        model, self.init = weights.backbone(application, input_shape, self.weights, **kwargs)
        return model

    def fit(self, train: Part, validation: Part | None, context: Context) -> FitSummary:
        """Trains as the recipe says; see training.fit.train for what validation decides.

        What is frozen up to a layer called "features" is computed once, where training.bottleneck.cut allows it.
        ``train.labels`` may also be targets (N, classes) float32, whose rows sum to one.
        """
        import keras

        from ..training import bottleneck
        from ..training.augment import Augment
        from ..training.fit import train as train_model

        self.precision = precision(self.recipe.precision, context.device)
        extra: dict[str, Any] = {}
        with context.phase("compile"):
            keras.utils.set_random_seed(context.seed("init"))
            core = self.core(len(context.classes), context.weights)
            self._parameters = _parameters(core)
            halves = bottleneck.cut(core, self.recipe, lambda trainable: self.set_trainable(core, trainable))
            if halves and (reason := bottleneck.too_large(halves, len(train.images) + _count(validation))):
                context.report({"note": reason})
                halves, extra = None, {"features": "too large"}
            augment = Augment(self.recipe.augmentation, context.seed("augment"), self.recipe.window, name="augment")
            # Models that share their layers, so that what is saved holds neither augmentation nor optimizer.
            trained = halves.head if halves else self.on_images(core, augment)
            self.assemble(core)
        train_x = _with_channel(train.images)
        val_x = None if validation is None else _with_channel(validation.images)
        if halves:
            extractor, kept = self.on_images(halves.frozen), self.init != "random"
            train_x, val_x, extra = bottleneck.extract(extractor, train_x, val_x, context, keep=kept)
        summary = train_model(
            trained,
            train_x,
            train.labels,
            train.weights,
            val_x,
            None if validation is None else validation.labels,
            self.recipe,
            context,
            set_trainable=lambda trainable: self.set_trainable(core, trainable),
            init=self.init,
            whole=self._model,
        )
        summary.extra |= extra
        if self.precision != self.recipe.precision:
            summary.extra["precision"] = self.precision
        return summary

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """(N, 48, 48) uint8 -> (N, classes) float32, each row summing to one."""
        from ..training.fit import predict

        if self._model is None:
            raise RuntimeError(f"{type(self).__name__}.predict_proba before fit or load")
        return predict(self._model, _with_channel(images))

    def save(self, directory: Path) -> None:
        """Writes model.keras: images in, probabilities out."""
        if self._model is None:
            raise RuntimeError(f"{type(self).__name__}.save before fit or load")
        self._model.save(directory / FILE)

    def load(self, directory: Path) -> None:
        """Reads model.keras, which runs no code; InputError where that can't be done."""
        from ..training.model_file import load_model

        self._model = load_model(directory / FILE, self._packages)

    def load_epoch(self, path: Path) -> None:
        """Gives the loaded model the weights of a kept epoch, see ``training.kept``; InputError where they can't be
        read.
        """
        from ..training.model_file import check_hdf5

        if self._model is None:
            raise RuntimeError(f"{type(self).__name__}.load_epoch before load")
        check_hdf5(path, path)
        self._model.load_weights(path)

    @property
    def keras_model(self) -> keras.Model:
        """What was trained or loaded: (N, 48, 48, 1) uint8 -> (N, classes) float32. RuntimeError before that."""
        if self._model is None:
            raise RuntimeError(f"{type(self).__name__}.keras_model before fit or load")
        return self._model

    @property
    def _packages(self) -> set[str]:
        """Whose registered layers a model of this runner may hold: ours and those of its own package."""
        return {cls.__module__.partition(".")[0] for cls in type(self).__mro__ if issubclass(cls, KerasRunner)}

    def count_parameters(self, classes: int = 7) -> dict[str, int]:
        """Parameters of what ``build`` returns: all, and those that its flags let learn."""
        return self._parameters or _parameters(self.core(classes, "random"))

    def count_macs(self, classes: int = 7) -> int | None:
        """Of the fitted model, or of what ``build`` returns: convolutions and dense layers; see training.macs."""
        from ..training.macs import count_macs

        return count_macs(self.core(classes, "random") if self._model is None else self._model)

    def core(self, classes: int, weights: str) -> keras.Model:
        """What ``build`` returns, in ``self.precision`` and with its first weights; sets ``self.init``.

        A model that does not end in a softmax (the published MLP ends in a relu) gets its rows normalised. For runners
        with a ``fit`` of their own, as ``on_images`` and ``assemble`` are.
        """
        import keras

        from ..training.preprocess import Normalise
        from ..training.weights import is_path, load_into

        self.weights = "random" if weights == "auto" and self.recipe.weights == "random" else weights
        self.init, self._has_backbone = "random", False
        shape = (self.side, self.side, self.recipe.channels)
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.precision)
        try:
            core = self.build(shape, classes)
        finally:
            keras.config.set_dtype_policy(policy)
        if is_path(self.weights) and not self._has_backbone:
            self.init = load_into(core, self.weights, self._packages)
        last = core.outputs[0]._keras_history.operation
        if isinstance(last, keras.layers.Layer):
            # Probabilities in bfloat16 would have two digits.
            last.dtype_policy = "float32"
        if isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax:
            return core
        return keras.Model(core.inputs, Normalise(name="normalise")(core.outputs[0]), name=core.name)

    def on_images(self, model: keras.Model, augment: keras.Layer | None = None) -> keras.Model:
        """``model``, which takes what ``build``'s model takes, on raw images (N, 48, 48, 1) uint8; shares its
        weights.
        """
        import keras

        from ..training.preprocess import Preprocess

        recipe = self.recipe
        images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 1), dtype="uint8", name="images")
        x = images if augment is None else augment(images)
        x = Preprocess(self.side, recipe.channels, recipe.scaling, recipe.window, name="preprocess")(x)
        return keras.Model(images, model(x))

    def assemble(self, core: keras.Model) -> None:
        """Makes ``core``, trained now or later, what this runner predicts with and saves."""
        self._model = self.on_images(core)


def _parameters(core: keras.Model) -> dict[str, int]:
    trainable = sum(int(np.prod(weights.shape)) for weights in core.trainable_weights)
    return {"total": core.count_params(), "trainable": trainable}


def _count(part: Part | None) -> int:
    return 0 if part is None else len(part.images)


def _with_channel(images: np.ndarray) -> np.ndarray:
    """(N, 48, 48) -> (N, 48, 48, 1)."""
    return np.asarray(images)[..., None]
