import gzip
import json

import pytest

from dropnorm.errors import DataError
from dropnorm.study.data.sources.json_records import read_json, read_json_lines

LINES = '{"a": 1, "b": "x"}\n{"a": 2.5, "b": null}\n\n{"b": "z", "c": true}\n'
ROWS = [(1.0, "x", None), (2.5, None, None), (None, "z", True)]


def test_an_object_per_line_is_a_row(write):
    table = read_json_lines(write(LINES, "data.jsonl"))
    assert (table.frame.columns, table.frame.rows()) == (["a", "b", "c"], ROWS)
    assert read_json_lines(write(gzip.compress(LINES.encode()), "data.jsonl.gz")).frame.rows() == ROWS


@pytest.mark.parametrize("reader", [read_json_lines, read_json])
def test_columns_are_in_the_order_of_the_first_records(reader, write):
    names = [f"c{place * 37 % 101}" for place in range(100)]
    records = [dict.fromkeys(names, 1), {"late": 2} | dict.fromkeys(names, 3)]
    lines = "\n".join(map(json.dumps, records))
    text = lines if reader is read_json_lines else json.dumps(records)
    for _ in range(3):
        assert reader(write(text, "data.json")).frame.columns == [*names, "late"]


@pytest.mark.parametrize(
    "text", ['[{"a": 1, "b": "x"}, {"a": 2}]', '{"a": [1, 2], "b": ["x", null]}', '{"a": 1, "b": "x"}\n{"a": 2}\n']
)
def test_a_list_of_objects_an_object_of_lists_and_lines_are_tables(text, write):
    assert read_json(write(text, "data.json")).frame.rows() == [(1, "x"), (2, None)]


@pytest.mark.parametrize(
    ("text", "line"), [('{"a": 1}\n{"a": \n', 2), ('{"a": 1}\n\n[1, 2]\n', 3), ("a,b\n1,2\n", 1), ('{"a": 1}\n7\n', 2)]
)
def test_a_line_that_is_no_object_is_numbered(text, line, write):
    path = write(text, "data.jsonl")
    with pytest.raises(DataError, match=rf"line {line}: is no JSON object .* mend the line"):
        read_json_lines(path)


@pytest.mark.parametrize("text", ["7", '"x"', '{"a": {"b": 1}, "c": 2}', "[1, 2]", "[[1], [2]]", "[", "{" * 5000])
def test_json_that_is_no_table(text, write):
    with pytest.raises(DataError, match="Expected"):
        read_json(write(text, "data.json"))


@pytest.mark.parametrize(("value", "held"), [('{"x": 1}', "objects"), ("[1, 2]", "lists")])
def test_values_within_values(value, held, write):
    path = write(f'{{"a": {value}}}\n', "data.jsonl")
    with pytest.raises(DataError, match=f"the column 'a' holds {held}. Expected numbers"):
        read_json_lines(path)
