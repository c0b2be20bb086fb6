"""The data sets that come with scikit-learn, by name."""

import numpy as np
import polars as pl
from sklearn import datasets

from dropnorm.study.sources.table import Table

BUNDLED = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}
TARGET = "target"


def load_bundled(name: str) -> Table:
    """A bundled set with its target: names of classes, or numbers where it is a quantity."""
    bunch = BUNDLED[name]()
    columns = {str(column): bunch.data[:, index] for index, column in enumerate(bunch.feature_names)}
    quantity = "target_names" not in bunch
    target = bunch.target if quantity else np.asarray(bunch.target_names)[bunch.target].astype(str)
    return Table(pl.DataFrame(columns | {TARGET: target}), target=TARGET)
