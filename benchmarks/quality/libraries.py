"""Peers from other libraries, each by its own code: fitted anew every so many events, asked with the newest history."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import ItemItemRecommender
from movielens import Floats
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel
from river.optim import SGD
from river.reco import BiasedMF
from scipy.sparse import coo_matrix, csr_matrix
from stream_peers import Remembering, Scores

FIRST_FIT = 20_000  # events: where the warm-up ends
warnings.filterwarnings("ignore", module="implicit")
warnings.filterwarnings("ignore", module="rectools")


class Refitted(Remembering):
    """A model that is fitted to all events so far, once every number of events."""

    def __init__(self, vocabulary: int, crowd: int, *, every: int, last: int | None = None) -> None:
        super().__init__(vocabulary, last)
        self._shape = (crowd, vocabulary)
        self._pairs: list[tuple[int, int]] = []
        self._refit, self._due = every, FIRST_FIT

    def scores(self, user: int) -> Scores:
        """See `Peer`."""
        if len(self._pairs) >= self._due:
            self.fit()
            self._due = len(self._pairs) + self._refit
        return super().scores(user)

    def take_in(self, user: int, history: Sequence[int], item: int) -> None:
        """See `Remembering`."""
        self._pairs.append((user, item))

    def fit(self) -> None:
        """Fit the model anew."""
        raise NotImplementedError

    def matrix(self) -> csr_matrix:
        """Return who had what: [U, V], ones."""
        users, items = np.array(self._pairs).T
        return coo_matrix((np.ones(len(users), np.float32), (users, items)), self._shape).tocsr()


class Neighbours(Refitted):
    """An item-item recommender of implicit."""

    def __init__(self, make: Callable[[], ItemItemRecommender], *shape: int, **options: Any) -> None:
        super().__init__(*shape, **options)
        self._make = make
        self._similarity: NDArray32 = np.zeros((0, 0), np.float32)

    def fit(self) -> None:
        """See `Refitted`."""
        model = self._make()
        model.fit(self.matrix(), show_progress=False)
        self._similarity = model.similarity.toarray()

    def for_history(self, user: int, latest: Sequence[int]) -> Scores:
        """See `Remembering`; the sum that `recommend` of implicit takes, of all items."""
        return np.asarray(self._similarity[latest].sum(axis=0))


class Als(Refitted):
    """Alternating least squares of implicit; a user's factors are solved anew from his latest items."""

    def __init__(self, model: dict[str, Any], *shape: int, **options: Any) -> None:
        super().__init__(*shape, **options)
        self._model = AlternatingLeastSquares(random_state=0, num_threads=1, **model)

    def fit(self) -> None:
        """See `Refitted`."""
        self._model.fit(self.matrix(), show_progress=False)

    def for_history(self, user: int, latest: Sequence[int]) -> Scores:
        """See `Remembering`."""
        ones = np.ones(len(latest), np.float32)
        row = csr_matrix((ones, (np.zeros(len(latest), np.int64), latest)), (1, self._shape[1]))
        return np.asarray(self._model.item_factors @ self._model.recalculate_user(0, row).ravel())


class Bpr(Refitted):
    """Bayesian personalised ranking of implicit; a user is the mean of the factors of his latest items."""

    def __init__(self, model: dict[str, Any], *shape: int, **options: Any) -> None:
        super().__init__(*shape, **options)
        self._options = model
        self._factors: NDArray32 = np.zeros((0, 0), np.float32)

    def fit(self) -> None:
        """See `Refitted`."""
        model = BayesianPersonalizedRanking(random_state=0, num_threads=1, **self._options)
        model.fit(self.matrix(), show_progress=False)
        self._factors = model.item_factors

    def for_history(self, user: int, latest: Sequence[int]) -> Scores:
        """See `Remembering`; the last factor of an item is its bias, and that of a user is 1."""
        mean = self._factors[latest].mean(axis=0)
        mean[-1] = 1
        return np.asarray(self._factors @ mean)


class Ease(Refitted):
    """EASE of RecTools."""

    def __init__(self, regularization: float, *shape: int, **options: Any) -> None:
        super().__init__(*shape, **options)
        self._regularization = regularization
        self._weights: NDArray32 = np.zeros((0, 0), np.float32)

    def fit(self) -> None:
        """See `Refitted`."""
        had = pd.DataFrame(self._pairs, columns=[Columns.User, Columns.Item])
        dataset = Dataset.construct(had.assign(**{Columns.Weight: 1.0, Columns.Datetime: pd.Timestamp(0)}))
        model = EASEModel(self._regularization).fit(dataset)
        known = dataset.item_id_map.external_ids.astype(np.int64)
        self._weights = np.zeros((self._shape[1], self._shape[1]), np.float32)
        self._weights[np.ix_(known, known)] = model.weight

    def for_history(self, user: int, latest: Sequence[int]) -> Scores:
        """See `Remembering`."""
        return np.asarray(self._weights[latest].sum(axis=0))


class RiverFactors(Remembering):
    """Biased matrix factorisation of river, which learns each event; what was not rated is drawn as 0 beside each 1.

    All items are scored at once from the model's own vectors; that is what `predict_one` returns for each.
    """

    def __init__(self, vocabulary: int, *, factors: int, rate: float, negatives: int) -> None:
        super().__init__(vocabulary)
        self._model = BiasedMF(factors, bias_optimizer=SGD(rate), latent_optimizer=SGD(rate), l2_latent=0.01, seed=0)
        self._random = np.random.default_rng(0)
        self._negatives = negatives
        self._vectors = np.zeros((vocabulary, factors))
        self._biases = np.zeros(vocabulary)

    def for_history(self, user: int, latest: Sequence[int]) -> Floats:
        """See `Remembering`."""
        return np.asarray(self._vectors @ self._model.u_latents[user] + self._biases)

    def take_in(self, user: int, history: Sequence[int], item: int) -> None:
        """See `Remembering`."""
        drawn = self._random.integers(0, len(self._biases), self._negatives)
        for one, liked in ((item, 1.0), *((int(other), 0.0) for other in drawn if other not in history)):
            self._model.learn_one(user, one, liked)
            self._vectors[one], self._biases[one] = self._model.i_latents[one], self._model.i_biases[one]


NDArray32 = np.ndarray[Any, np.dtype[np.float32]]
