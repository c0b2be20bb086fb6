"""How often a model's score on rows that no study has seen lies in the range that the study gives for new rows: 95 of 100."""

from collections.abc import Callable

import numpy as np
from scipy.stats import binomtest
from sklearn.datasets import load_diabetes, load_digits, make_classification, make_friedman1

import dropnorm as dn
from measure import table

STUDIES = 50  # of each kind of data
ROWS, HELD_OUT = 200, 40  # a test part has as many as are held out
MANY = 4000  # rows, on which a score has next to no chance of its own
QUICK = {"arms": ["dropout"], "dropout": 0.2, "epochs": 20, "hidden": (16,), "learning_rate": 0.01}


def _noisy_classes(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return make_classification(ROWS + MANY, 12, n_informative=5, flip_y=0.15, random_state=seed)


def _friedman(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return make_friedman1(ROWS + MANY, noise=2.0, random_state=seed)


def _shuffled(load: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    X, y = load(return_X_y=True)

    def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.random.default_rng(seed).permutation(len(X))
        return X[rows], y[rows]

    return draw


DATA: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "two classes, 15 % of the labels drawn at random": _noisy_classes,
    "digits": _shuffled(load_digits),
    "Friedman's function with noise": _friedman,
    "diabetes": _shuffled(load_diabetes),
}


def measured(seed: int, draw: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> tuple[bool, bool, float, float, float]:
    """What one study tells of its model, and what is so.

    Whether the score on some held-out rows is in the range for new rows, whether that on all others is in the interval of the
    score, the score on these, the score told, and the one told of a single net.
    """
    X, y = draw(seed)
    study = dn.run_study(X[:ROWS], y[:ROWS], **QUICK)
    result, predicted = study.summary.model, study.model.predict(X[ROWS:])["prediction"]
    assert result is not None
    if study.summary.data.task == "regression":
        squares = (predicted.to_numpy() - y[ROWS:]) ** 2
        some, all_others = (float(one.mean() ** 0.5) for one in (squares[:HELD_OUT], squares))
    else:
        hits = predicted.cast(int).to_numpy() == y[ROWS:]
        some, all_others = float(hits[:HELD_OUT].mean()), float(hits.mean())
    new, known = result.score_of_new_rows, result.score
    return (
        new.low <= some <= new.high,
        known.low <= all_others <= known.high,
        all_others,
        known.mean,
        result.single_score,
    )


def main() -> None:
    """Study each kind of data many times, each time other rows."""
    rows, covered = [], 0
    for name, draw in DATA.items():
        found = [measured(seed, draw) for seed in range(STUDIES)]
        inside, in_interval, scores, told, single = (np.array(values) for values in zip(*found, strict=True))
        covered += int(inside.sum())
        means = (f"{values.mean():.4g}" for values in (scores, told, single))
        rows.append([name, f"{inside.mean():.0%}", f"{in_interval.mean():.0%}", *means])
    table(
        f"What {STUDIES} studies of {ROWS} rows tell of their model, and its score on rows that they have not seen",
        [
            "data",
            f"the score on {HELD_OUT} rows is in the range for new rows",
            "that on all others is in the interval of the score",
            "mean score on these",
            "mean score told",
            "that of a single net",
        ],
        rows,
    )
    of = STUDIES * len(DATA)
    low, high = binomtest(covered, of).proportion_ci()
    print(f"\nIn the range for new rows: {covered} of {of}, {covered / of:.1%} (95 % interval {low:.1%} to {high:.1%})")


if __name__ == "__main__":
    main()
