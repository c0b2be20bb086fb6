"""Files as people download them, with the rows, columns, features and classes of each: TABULAR=path, or beside the checkout."""

import os
from pathlib import Path

import pytest

from dropnorm.study.data.dataset import load_dataset

FOLDER = Path(os.environ.get("TABULAR", Path(__file__).parents[4] / "shared" / "data" / "tabular"))
FILES = {  # target, rows, columns encoded, features, classes
    "auto-insurance.csv": ("last", 63, 1, 1, 0),
    "auto_imports.csv": ("last", 201, 25, 80, 0),
    "banknote_authentication.csv": ("last", 1372, 4, 4, 2),
    "breast-cancer.csv": ("last", 286, 9, 39, 2),
    "energy.txt": ("last", 768, 8, 8, 0),
    "german.csv": ("last", 1000, 20, 61, 2),
    "glass.csv": ("last", 214, 9, 9, 6),
    "haberman.csv": ("last", 306, 3, 3, 2),
    "horse-colic.csv": ("24", 300, 27, 115, 2),
    "ionosphere.csv": ("last", 351, 33, 33, 2),
    "lgb-binary.test": ("first", 500, 28, 28, 2),
    "lgb-binary.train": ("first", 7000, 28, 28, 2),
    "new-thyroid.csv": ("last", 215, 5, 5, 3),
    "power-plant.txt": ("last", 9568, 4, 4, 0),
    "protein-10k.txt": ("last", 10000, 9, 9, 0),
    "wheat-seeds.csv": ("last", 210, 7, 7, 3),
    "yacht.txt": ("last", 308, 6, 6, 0),
}


@pytest.mark.skipif(not FOLDER.is_dir(), reason="TABULAR names no folder with these files")
@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_whole_with_no_option_but_the_target(name):
    target, rows, columns, features, classes = FILES[name]
    dataset = load_dataset(FOLDER / name, target=target)
    assert (dataset.rows, dataset.columns, dataset.features.shape[1]) == (rows, columns, features)
    assert len(dataset.encoding.classes) == classes
