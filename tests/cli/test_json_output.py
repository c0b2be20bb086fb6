import json

from dropnorm.cli.json_output import Facts, Written


def written(printed: str) -> Written:
    return Written.model_validate_json(printed)


def test_commands_that_write_say_what(run, finished, csv, tmp_path):
    folder = finished[3]
    code, printed, _ = run("report", folder, "--json")
    assert (code, written(printed)) == (0, Written(files=(str(folder / "report.html"),)))
    code, printed, _ = run("export", folder, "--csv", "--json", "--out", tmp_path)
    assert (code, set(written(printed).files)) == (0, {str(path) for path in tmp_path.iterdir()})
    path = tmp_path / "graph.onnx"
    code, printed, _ = run("export", folder, "--onnx", "--json", "--out", path)
    assert (code, written(printed)) == (0, Written(files=(str(path),)))
    path = tmp_path / "predicted.csv"
    code, printed, _ = run("predict", folder, csv, "--json", "--out", path)
    assert (code, written(printed)) == (0, Written(files=(str(path),), rows=90))


def test_predictions_are_an_object_per_row(run, finished, csv):
    _, printed, _ = run("predict", finished[3], csv, "--json")
    rows = json.loads(printed)
    assert len(rows) == 90
    assert set(rows[0]) == {"prediction", "probability_ant", "probability_bee", "probability_cat"}


def test_facts(run):
    code, printed, _ = run("info", "--json")
    facts = Facts.model_validate_json(printed)
    assert (code, facts.kernels in facts.kernels_available, facts.threads >= 1) == (0, True, True)
