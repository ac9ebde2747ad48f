"""The libraries a user would otherwise pick, on the same matrices."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable

import numpy as np
from scipy import sparse

from trackline.recommender.metrics import top_k

K = 10
Fit = Callable[[sparse.csr_matrix], Callable[[sparse.csr_matrix], np.ndarray]]


def _grid(**options: tuple) -> list[dict]:
    return [
        dict(zip(options, v, strict=True)) for v in itertools.product(*options.values())
    ]


def _implicit(model) -> Callable[[sparse.csr_matrix], np.ndarray]:
    recalculate = hasattr(model, "factors")

    def top(histories: sparse.csr_matrix) -> np.ndarray:
        options = {"recalculate_user": True} if recalculate else {}
        ids, scores = model.recommend(
            np.arange(histories.shape[0]),
            histories.astype(np.float32),
            N=K,
            filter_already_liked_items=True,
            **options,
        )
        return np.where(np.isfinite(scores) & (scores > -1e30), ids, -1)

    return top


def als(train, factors, regularization, alpha):
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=factors,
        regularization=regularization,
        alpha=alpha,
        iterations=15,
        random_state=0,
        num_threads=1,
    )
    model.fit(train.astype(np.float32), show_progress=False)
    return _implicit(model)


def bm25(train, neighbours, k1, b):
    from implicit.nearest_neighbours import BM25Recommender

    model = BM25Recommender(K=neighbours, K1=k1, B=b, num_threads=1)
    model.fit(train.astype(np.float32), show_progress=False)
    return _implicit(model)


def item_cosine(train, neighbours):
    from implicit.nearest_neighbours import CosineRecommender

    model = CosineRecommender(K=neighbours, num_threads=1)
    model.fit(train.astype(np.float32), show_progress=False)
    return _implicit(model)


def _scored(score) -> Callable[[sparse.csr_matrix], np.ndarray]:
    def top(histories: sparse.csr_matrix) -> np.ndarray:
        scores = np.asarray(score(histories), float)
        scores[histories.nonzero()] = -np.inf
        best = top_k(scores, K)
        return np.where(np.isfinite(np.take_along_axis(scores, best, 1)), best, -1)

    return top


def neighbours_of_students(train, neighbours):
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=neighbours, metric="cosine").fit(train)

    def score(histories):
        distance, at = search.kneighbors(histories)
        rows = np.repeat(np.arange(len(at)), at.shape[1])
        near = sparse.csr_matrix(
            (1 - distance.ravel(), (rows, at.ravel())), (len(at), train.shape[0])
        )
        return (near @ train).toarray()

    return _scored(score)


def popular(train):
    counts = np.bincount(train.indices, minlength=train.shape[1]).astype(float)
    return _scored(lambda histories: np.tile(counts, (histories.shape[0], 1)))


def irspack_slim(train, alpha, l1_ratio):
    from irspack.recommenders import SLIMRecommender

    model = SLIMRecommender(train, alpha=alpha, l1_ratio=l1_ratio, n_threads=1)
    model.learn()
    return _scored(model.get_score_cold_user)


def irspack_rp3(train, alpha, beta, top_k):
    from irspack.recommenders import RP3betaRecommender

    model = RP3betaRecommender(train, alpha=alpha, beta=beta, top_k=top_k, n_threads=1)
    model.learn()
    return _scored(model.get_score_cold_user)


def available() -> dict[str, tuple[Callable, list[dict]]]:
    """Return the peers that are installed, each with at most 24 settings."""
    warnings.filterwarnings("ignore")
    peers = {
        "implicit ALS": (
            als,
            _grid(
                factors=(8, 16, 32, 64),
                regularization=(0.01, 1.0, 10.0),
                alpha=(1.0, 10.0),
            ),
        ),
        "implicit BM25": (
            bm25,
            _grid(neighbours=(20, 100, 400), k1=(0.2, 0.5, 1.2, 2.0), b=(0.2, 0.75)),
        ),
        "implicit cosine": (item_cosine, _grid(neighbours=(5, 10, 20, 50, 100, 400))),
        "sklearn neighbours": (
            neighbours_of_students,
            _grid(neighbours=(10, 30, 100, 300)),
        ),
        "popularity": (popular, [{}]),
    }
    try:
        import irspack  # noqa: F401
    except ImportError:
        return peers
    peers["irspack SLIM"] = (
        irspack_slim,
        _grid(alpha=(0.01, 0.1, 1.0), l1_ratio=(0.01, 0.1)),
    )
    peers["irspack RP3beta"] = (
        irspack_rp3,
        _grid(alpha=(0.7, 1.0, 1.4), beta=(0.0, 0.2, 0.4, 0.6), top_k=(50, 100)),
    )
    return peers
