import json


def test_the_table_has_a_row_for_each_column(run, csv):
    code, out, err = run("columns", csv, "--target", "kind")
    assert (code, err) == (0, "")
    assert "90 rows, 4 columns" in out
    for word in ("size", "wings", "note", "kind", "identifier", "category", "number", "target"):
        assert word in out


def test_json_has_the_record(run, csv):
    code, out, err = run("columns", csv, "--json", "--as", "size=category", "--ignore", "note,wings")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert record["rows"] == 90
    assert [column["kind"] for column in record["columns"]] == ["category", "left out", "left out", "category"]


def test_guesses_are_told_beside_the_table(run, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("1.5;x\n2.5;y\n3.5;x\n", encoding="utf-8")
    _, out, err = run("columns", path)
    assert "column_1" in out
    assert "no line names the columns" in " ".join(err.split())


def test_mistakes_end_with_a_message(run, tmp_path):
    code, out, err = run("columns", tmp_path / "none.csv")
    assert (code, out) == (2, "")
    assert "no such file" in " ".join(err.split())
    code, _, err = run("columns", "iris", "--as", "target")
    assert code == 2
    assert "names no kinds of columns" in " ".join(err.split())
