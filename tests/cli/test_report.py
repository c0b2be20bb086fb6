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


def test_report_of_a_folder_that_cannot_be_written_to(finished, run, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr("tempfile.mkstemp", refuse)
        message = f"{finished[3]}/report.html: cannot be written (Permission denied). Name a file in a folder of yours."
        assert run("report", finished[3]) == (2, "", f"dropnorm: {message}\n")
    elsewhere = tmp_path / "elsewhere.html"
    assert run("report", finished[3], "--out", elsewhere) == (0, f"Report: {elsewhere}\n", "")
    assert elsewhere.read_bytes() == (finished[3] / "report.html").read_bytes()
