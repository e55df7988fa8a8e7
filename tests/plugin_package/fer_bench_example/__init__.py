from fer_bench import SklearnRunner


class NearestCentroidRunner(SklearnRunner):
    """The closest mean face of an emotion."""

    def build(self):
        from sklearn.neighbors import NearestCentroid

        return NearestCentroid()
