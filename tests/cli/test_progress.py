import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from dropnorm.cli import progress
from dropnorm.study.progress import ArmProgress, Progress


def test_what_is_going_on_is_told_in_plain_lines_beside_the_results(finished):
    _, _, stderr, _ = finished
    lines = stderr.splitlines()
    assert lines[0] == "insects: 90 rows, 4 features, 3 classes; training 12 nets."
    assert len(lines) == 1 + 4
    assert re.fullmatch(
        r" 25 %  epoch 1 of 2, 6 nets in training, 0 of 12 finished; validation accuracy: plain \d+\.\d %, dropout \d+\.\d %",
        lines[1],
    )
    assert re.search(r"; about \d+ s left\Z", lines[2])
    assert re.fullmatch(
        r"100 %  epoch 2 of 2, 6 nets in training, 6 of 12 finished; validation accuracy: batch_norm \d+\.\d %, "
        r"dropout\+batch_norm \d+\.\d %",
        lines[-1],
    )
    assert "\x1b" not in stderr


def test_on_a_terminal_a_bar_takes_the_place_of_the_lines(study_of, run, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    code, out, err = run(*study_of("--arms", "dropout", "--out", tmp_path / "run", "--json"))
    assert code == 0
    assert [arm["name"] for arm in json.loads(out)["config"]["arms"]] == ["plain", "dropout"]
    assert "━" in err
    assert re.search(r"arm +nets +in training +finished +validation accuracy, %", re.sub(r"\x1b\[[\d;?]*\w", "", err))
    assert not any(line.startswith((" 50 %", "100 %")) for line in err.splitlines())


ARMS = (
    ArmProgress("plain", 10, 4, 6, 0.971),
    ArmProgress("dropout+batch_norm+max_norm", 30, 0, 0, None),
)
HALF = Progress(("plain",), 12, 100, 6, 4, 40, 0.5, 0.971, "classification", ARMS)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_panel_fits_a_terminal(width, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    console = Console(width=width, file=io.StringIO())
    panel = progress._Panel(console)
    console.print(panel.draw())
    panel.show(replace(HALF, done=0.25))
    now[0] += 130.0
    panel.show(HALF)
    now[0] += 10.0  # and no epoch since
    console.print(panel.draw())
    lines = console.file.getvalue().splitlines()
    assert lines[0] == "starting ..."
    assert lines[1].split(" ", 1)[1].split() == [
        "50",
        "%",
        "epoch",
        "12",
        "of",
        "100",
        "about",
        "4",
        "min",
        "10",
        "s",
        "left",
    ]
    assert lines[2].split("  ")[0] == "arm"
    assert lines[3].split() == ["plain", "10", "6", "4", "97.1"]
    assert lines[4].split()[1:] == ["30", "0", "0", "–"]
    assert (lines[4].split()[0] == ARMS[1].arm) == (width >= 80)
    assert max(map(len, lines)) <= width


def test_time_left_is_what_the_rest_takes_at_the_same_pace(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    clock = progress._Clock()
    assert clock.left(0.6) is None, "a resumed study begins where it was"
    now[0] = 10.0
    assert clock.left(0.6) is None
    assert clock.left(0.8) == pytest.approx(10.0)
    assert clock.left(1.0) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3.0, "1 s"), (0.2, "1 s"), (8.4, "8 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_an_estimate_has_no_fractions(seconds, text):
    assert progress._whole(seconds) == text
