import numpy as np
import pytest

import dropnorm as dn
from dropnorm.errors import NewDataWarning
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.saving.new_rows import encode_rows, open_rows


def test_rows_in_memory_and_of_a_file_have_the_same_features(table, quick, tmp_path):
    description = dn.run_study(table, target="kind", **quick).model.description
    table.write_csv(tmp_path / "new.csv")
    features = [encode_rows(description, *open_rows(description, X, Reading())) for X in (table, tmp_path / "new.csv")]
    np.testing.assert_array_equal(*features)
    odd, source = open_rows(description, table.with_columns(width=-table["width"].abs() * 1e6), Reading())
    with pytest.warns(NewDataWarning, match="width: numbers of 120 rows"):
        encode_rows(description, odd, source)
