def test_report_draws_a_finished_study_again(finished, run):
    report = finished[3] / "report.html"
    drawn = report.read_text()
    report.unlink()
    assert run("report", finished[3]) == (0, f"Report: {report}\n", "")
    assert report.read_text() == drawn


def test_report_of_a_folder_without_a_study(run, tmp_path):
    message = f"{tmp_path}: holds no study. Expected the folder that `dropnorm study` wrote (its --out)."
    assert run("report", tmp_path) == (2, "", f"dropnorm: {message}\n")
    assert list(tmp_path.iterdir()) == []
