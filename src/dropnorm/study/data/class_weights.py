"""What a row of each class counts in the loss where classes are to weigh alike, however many rows each has."""

import numpy as np
from sklearn.utils.class_weight import compute_class_weight


def balanced_weights(targets: np.ndarray, train: np.ndarray, classes: int) -> np.ndarray:
    """The weights (classes,) with which each class that the training rows have comes to the same sum over these rows.

    Equation:    n / (k n_c), of n training rows, n_c of class c, and k classes that they have; 1 of a class that they lack
    Source:      King & Zeng 2001, "Logistic regression in rare events data", Political Analysis 9, as in scikit-learn.
    """
    learned = targets[train]
    present = np.unique(learned)
    weights = np.ones(classes, dtype=np.float32)
    weights[present] = compute_class_weight("balanced", classes=present, y=learned)
    return weights
