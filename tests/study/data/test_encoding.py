import numpy as np
import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.columns import ColumnEncoding
from dropnorm.study.data.encoding import Encoding, learn_encoding
from dropnorm.study.data.number_formats import NumberFormat
from dropnorm.study.data.sources.table import Source

NAN = float("nan")
COLUMNS = (
    ColumnEncoding(name="n", kind="number", has_missing=True),
    ColumnEncoding(name="t", kind="category", categories=("a", "b")),
)
TARGET = pl.Series("y", ["u", "v"])


def equal(got, expected):
    np.testing.assert_array_equal(np.array(got), np.array(expected))


def test_columns_lie_side_by_side_in_the_encodings_order():
    encoding = learn_encoding(COLUMNS, TARGET, Source("X"))
    assert (encoding.target, encoding.task, encoding.classes) == ("y", "classification", ("u", "v"))
    assert encoding.features == 4
    table = pl.DataFrame({"t": ["b", "a"], "n": [1, None], "id": [7, 8]})
    equal(encoding.encode(table), [[1, 0, 0, 1], [NAN, 1, 1, 0]])


def test_a_column_that_is_missing_from_the_table_to_encode(refuses):
    encoding = learn_encoding((ColumnEncoding(name="width", kind="number"),), TARGET, Source("X"))
    with refuses(DataError, "new.csv: there is no column 'width': expected one of widht. Did you mean 'widht'?"):
        encoding.encode(pl.DataFrame({"widht": [1]}), "new.csv")


def test_how_texts_are_written_is_no_part_of_an_encodings_identity():
    plain = learn_encoding(COLUMNS, TARGET, Source("X"))
    number = COLUMNS[0].model_copy(update={"number": NumberFormat(decimal=",")})
    assert learn_encoding((number, COLUMNS[1]), TARGET, Source("X")).identity == plain.identity
    other = COLUMNS[1].model_copy(update={"categories": ("a", "c")})
    assert learn_encoding((COLUMNS[0], other), TARGET, Source("X")).identity != plain.identity


def test_an_identity_is_what_it_was_before_texts_had_formats():
    encoding = Encoding(
        columns=(ColumnEncoding(name="n", kind="number"),), target="y", task="classification", classes=("u", "v")
    )
    assert encoding.identity == (
        b'{"columns":[{"name":"n","kind":"number","categories":[],"cycles":[],"shape":[],"has_missing":false}],'
        b'"target":"y","task":"classification","classes":["u","v"]}'
    )


def test_twenty_thousand_columns_are_found_by_their_names():
    names = [f"c{place}" for place in range(20_000)]
    columns = tuple(ColumnEncoding(name=name, kind="number") for name in names)
    encoding = learn_encoding(columns, TARGET, Source("X"))
    table = pl.DataFrame({name: [place] for place, name in enumerate(reversed(names))})
    equal(encoding.encode(table)[0, :2], [19_999, 19_998])
