"""What requests may say now: it follows the features that the source serves."""

from poc.definitions import ServedFeatures
from poc.retrieval.source import FeatureSource
from poc.serving.kept import Kept
from poc.serving.questions import Questions, questions


class Asked:
    """Gives the requests that fit what is served.

    Args:
        declared: what the repository declares, for as long as the source is not open.
        features: the source.
    """

    def __init__(self, declared: ServedFeatures, features: "Kept[FeatureSource]") -> None:
        self._declared, self._features = declared, features
        self._questions = questions(declared)

    @property
    def served(self) -> ServedFeatures:
        """The served features."""
        source = self._features.latest
        return self._declared if source is None else source.served

    def questions(self) -> Questions:
        """Return the requests; the same object as long as the served features are the same."""
        served, known = self.served, self._questions
        if known.served is not served:
            known = self._questions = questions(served)
        return known
