"""The faces of a picture, cut as the models' training faces were."""

from __future__ import annotations

from .face import Crop, Picture

FACES = ("auto", "all", "largest", "none")
DETECTORS = ("haar", "yunet")
#: How much wider a face is cut than its detector's box, as a part of the box's side.
MARGIN = 0.0


class FaceFinder:
    """Finds and cuts faces.

    "all" has each face, from left to right; "largest" the one with the largest box; "none" takes the picture for a
    face; "auto" is "none" where the picture is 48x48, or where nothing is found in a picture that is one face, else
    "all".
    """

    def __init__(self, policy: str, detector: str = "haar", margin: float = MARGIN) -> None:
        """Raises InputError for a policy or detector that is none of ``FACES`` and ``DETECTORS``, or one whose file is
        missing.
        """
        raise NotImplementedError

    def __call__(self, picture: Picture) -> list[Crop]:
        """The faces of a picture; an empty list where there is none."""
        raise NotImplementedError
