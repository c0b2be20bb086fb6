from dropnorm.study.records import Summary


def test_the_table_marks_the_advised_arm(finished, csv, run, study_of):
    _, stdout, _, folder = finished
    summary = Summary.model_validate_json(stdout)
    code, out, err = run(*study_of("--out", folder))
    assert code == 0
    assert err == "insects.csv: 90 rows, 4 features, 3 classes; training 12 nets.\n", "nothing was left to train"
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
