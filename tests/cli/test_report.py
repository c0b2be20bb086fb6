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


def test_a_folder_that_cannot_be_written_to_is_named(finished, run, monkeypatch):
    def read_only(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("dropnorm.report.html.write_atomically", read_only)
    path = finished[3] / "report.html"
    message = (
        f"dropnorm: {path}: cannot be written (Permission denied): expected a folder of yours. Copy the run to one.\n"
    )
    assert run("report", finished[3]) == (2, "", message)
