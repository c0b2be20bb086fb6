import json

import pytest

import dropnorm as dn


@pytest.fixture(scope="module")
def other(csv, tmp_path_factory):
    """The same study with a wider net."""
    folder = tmp_path_factory.mktemp("other") / "wider"
    quick = {"seeds": 2, "epochs": 2, "hidden": (16,), "dropout": (0.2, 0.5), "batch_size": 16}
    dn.run_study(csv, target="kind", ignore="note", out=folder, **quick)
    return folder


def test_two_runs_are_held_against_each_other(finished, other, run):
    folder = finished[3]
    code, out, err = run("compare", folder, other)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"A  {folder}: insects, 2 seeds, each with its own split, 12 nets, ")
    assert lines[1].startswith(f"B  {other}: ")
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert cells[0] == ["hidden", "8", "16"]
    expected = dn.compare_runs(dn.load_run(folder), dn.load_run(other))
    assert [row[0] for row in cells[2:]] == [
        " → ".join(dict.fromkeys((arm.first_arm, arm.second_arm))) for arm in expected.arms
    ]
    for sentence in expected.verdict:
        assert sentence in lines


def test_json_has_every_statistic(finished, other, run):
    code, out, _ = run("compare", finished[3], other, "--json")
    assert code == 0
    comparison = json.loads(out)
    assert comparison["units"] == 2
    assert [one["statistic"] for one in comparison["arms"][0]["comparisons"]] == [
        "test_score",
        "test_loss",
        "calibration_error",
        "generalization_gap",
    ]


def test_a_run_that_is_not_there_is_named(finished, run, tmp_path):
    code, out, err = run("compare", finished[3], tmp_path / "nothing")
    assert (code, out) == (2, "")
    assert err.startswith(f"dropnorm: {tmp_path / 'nothing'}: holds no study.")
