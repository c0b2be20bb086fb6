import polars as pl

from dropnorm.cli.printing import print_sentences, print_table, tell
from dropnorm.cli.results import write_result
from dropnorm.report.tables import Column, Table
from dropnorm.study.records import Summary


def test_the_table_marks_the_advised_arm(finished, csv, run, study_of):
    _, stdout, _, folder = finished
    summary = Summary.model_validate_json(stdout)
    code, out, err = run(*study_of("--out", folder))
    assert code == 0
    assert err == "insects: 90 rows, 4 features, 3 classes; training 12 nets.\n", "nothing was left to train"
    rows = {line.split("│")[1].strip(): line for line in out.splitlines() if line.startswith("│")}
    arms = [f"→ {arm.arm}" if arm.arm == summary.advice.arm else arm.arm for arm in summary.arms]
    assert list(rows) == arms
    mean = 100 * summary.arms[1].test_score.mean
    assert f" {mean:.1f} (" in rows[arms[1]]
    assert "test accuracy, %" in out
    for sentence in summary.verdict:
        assert sentence in out
    assert f"\nReport: {folder / 'report.html'}\n" in out
    assert out.endswith(f"Predict: dropnorm predict {folder} DATA\n")


def test_messages_and_tables_have_neither_emoji_nor_markup_nor_controls(capsys):
    name = ":x: [red]a[/red] \x1b[31m"
    tell(name)
    print_sentences([name])
    write_result(name)
    print_table(Table((Column("name", "left"),), ((name,),), marked=None), name)
    out, err = capsys.readouterr()
    written = ":x: [red]a[/red] \\u001b[31m"
    assert err == f"{written}\n"
    assert out.count(written) == 4
    assert "\x1b" not in out + err


def test_a_name_in_a_file_reaches_no_terminal(tmp_path, run):
    evil = "\x1b]0;owned\x07:x:"
    pl.DataFrame({"a": [1.0, 2.0], evil: ["x", "y"]}).write_csv(tmp_path / "data.csv")
    code, out, err = run("study", tmp_path / "data.csv", "--target", evil + "x", "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert "\x1b" not in err
    assert "\\u001b]0;owned\\u0007:x:" in err
