from datetime import UTC, datetime

from dropnorm.report.runs import runs_table
from dropnorm.study.records import Interval
from dropnorm.study.runs.listing import RunOverview

SCORE = Interval(mean=0.9617, low=0.95, high=0.97)
UNFINISHED = {"folder": "runs/one", "data": "digits", "task": "classification", "arms": ("plain", "dropout")}
UNFINISHED |= {
    "nets": 1200,
    "nets_finished": 3,
    "done": 0.999,
    "begun": datetime(2026, 5, 6, tzinfo=UTC),
    "seconds": 61,
}
FINISHED = UNFINISHED | {"state": "finished", "done": 1.0, "plain": SCORE, "advised_score": SCORE, "advised": "dropout"}


def cells(**fields):
    table = runs_table([RunOverview(**fields)])
    return dict(zip((column.header for column in table.columns), table.rows[0], strict=True))


def test_a_finished_run_is_told_in_a_row():
    found = cells(**FINISHED)
    assert found.pop("begun").startswith("2026-05-0"), "in local time"
    assert found == {
        "run": "one",
        "data": "digits",
        "state": "finished",
        "arms": "2",
        "nets": "1,200",
        "plain": "96.2 %",
        "advised": "dropout 96.2 %",
        "took": "1 min 1 s",
    }


def test_a_quantity_is_told_by_the_name_of_its_score():
    found = cells(**FINISHED | {"task": "regression", "advised_score": Interval(mean=54.3214, low=1, high=99)})
    assert found["advised"] == "dropout RMSE 54.32"


def test_where_plain_is_advised_its_score_stands_there_once():
    assert cells(**FINISHED | {"advised": "plain"})["advised"] == "plain"


def test_how_far_a_run_is_and_what_is_not_known():
    assert cells(**UNFINISHED, state="unfinished")["state"] == "99 %", "no conclusions yet, and so not whole"
    assert cells(**UNFINISHED, state="running")["state"] == "running, 99 %"
    found = cells(folder="runs/one", state="running")
    assert found.pop("run") == "one"
    assert found.pop("state") == "running"
    assert set(found.values()) == {"–"}


def test_one_that_cannot_be_read_has_no_row():
    assert runs_table([RunOverview(folder="x", state="unreadable", problem="x: holds no run.")]).rows == ()
