"""The data sets that come with scikit-learn, by name."""

import numpy as np
import polars as pl
from sklearn import datasets

from dropnorm.study.data.sources.memory import ARRAY_COLUMN, array_column
from dropnorm.study.data.sources.table import Table

BUNDLED = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}
TARGET = "target"


def load_bundled(name: str) -> Table:
    """A bundled set with its target: names of classes, or numbers where it is a quantity. Images keep their shape."""
    bunch = BUNDLED[name]()
    quantity = "target_names" not in bunch
    target = bunch.target if quantity else np.asarray(bunch.target_names)[bunch.target].astype(str)
    if "images" in bunch:
        columns = [array_column(ARRAY_COLUMN, bunch.images)]
    else:
        columns = [pl.Series(str(name), bunch.data[:, index]) for index, name in enumerate(bunch.feature_names)]
    return Table(pl.DataFrame([*columns, pl.Series(TARGET, target)]), target=TARGET)
