import math
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pydantic_core import PydanticSerializationError

from dropnorm.errors import RunError, StorageError
from dropnorm.study.pictures.records import LayerActivity, Pictures, UnitInput
from dropnorm.study.records import SCHEMA_VERSION, Beginning, CurveNet, Timing
from dropnorm.study.runs.store import TABLES, Store
from dropnorm.study.schema import OLDEST_SCHEMA


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.sqlite"


@pytest.fixture
def store(path):
    store = Store(path)
    yield store
    store.close()


def test_pictures_are_kept_once_they_are_there(store, path):
    assert store.pictures() is None
    pictures = Pictures(activity=(LayerActivity(net=3, layer=1, active=0.25),))
    store.put(pictures=pictures.model_dump())
    assert reopened(store, path).pictures() == pictures


def test_unit_inputs_are_kept_with_the_state_that_made_them(store, path):
    def of(epoch):
        return UnitInput(net=0, epoch=epoch, layer=0, unit=3, low=-1.0, median=0.5, high=float("inf"))

    store.save_progress(0, b"state", [], 0.0, [of(2), of(1)])
    store.save_finished(0, [], [], 0.0, [of(3)])
    assert reopened(store, path).unit_inputs() == (of(1), of(2), of(3))


def test_nets_of_the_learning_curve_are_kept_apart(store, path, make_net):
    net = CurveNet(**make_net(7, "dropout", rate=0.5).model_dump(), fraction=0.25, train_rows=40)
    store.save_curve(3, [net], seconds=2.0)
    again = reopened(store, path)
    assert again.curve_nets() == (net,)
    assert (again.nets(), again.block(3), again.seconds()) == ((), (None, True), 2.0)


def reopened(store, path):
    store.close()
    return Store(path)


def test_what_is_put_is_kept_as_json(store, path):
    store.put(study={"config": [1, 2.5, "x"]}, command="dropnorm study")
    again = reopened(store, path)
    assert again.get("study") == {"config": [1, 2.5, "x"]}
    assert again.get("command") == "dropnorm study"
    assert again.get("nothing") is None
    again.put(command="another")
    assert again.get("command") == "another"
    again.close()


def test_a_block_is_unknown_then_in_training_then_finished(store, path, make_net, make_history):
    history = make_history(0, [0.5, 0.4, 0.3])
    assert store.block(0) == (None, False)
    store.save_progress(0, b"state 1", history[:1], seconds=1.5)
    assert store.block(0) == (b"state 1", False)
    store.save_progress(0, b"state 2", history[1:2], seconds=1.5)
    store.save_progress(1, b"other", [], seconds=0.0)
    again = reopened(store, path)
    assert again.block(0) == (b"state 2", False)
    assert again.block(1) == (b"other", False)
    assert again.nets() == ()
    again.save_finished(0, [(make_net(0), b"weights")], history[2:], seconds=0.25)
    assert again.block(0) == (None, True)
    assert again.epochs() == tuple(history)
    assert again.nets() == (make_net(0),)
    assert again.weights(0) == b"weights"
    assert again.seconds() == 3.25
    again.close()


def test_records_come_back_in_order_whatever_the_order_of_the_blocks(store, make_net, make_history):
    store.save_finished(1, [(make_net(2), b""), (make_net(3), b"")], make_history(3, [1.0, 2.0]), 0.0)
    store.save_finished(0, [(make_net(0), b"")], make_history(0, [3.0, 4.0]), 0.0)
    assert [record.net for record in store.nets()] == [0, 2, 3]
    assert [(record.net, record.epoch) for record in store.epochs()] == [(0, 1), (0, 2), (3, 1), (3, 2)]


def test_an_infinite_loss_is_kept(store, path, make_history):
    store.save_progress(0, b"", make_history(0, [float("inf")]), 0.0)
    again = reopened(store, path)
    assert again.epochs()[0].validation_loss == float("inf")
    again.close()


def test_whether_anything_is_kept_of_training(store, make_history):
    assert not store.holds_progress
    store.put(command="dropnorm study")
    assert not store.holds_progress
    store.save_progress(0, b"state", make_history(0, [0.5]), seconds=1.0)
    assert store.holds_progress


def test_rows_and_state_are_saved_together_or_not_at_all(store, path, make_history):
    store.save_progress(0, b"state 1", make_history(0, [0.5]), seconds=1.0)
    with pytest.raises(RunError, match=r"UNIQUE constraint failed: epochs\.net, epochs\.epoch"):
        store.save_progress(0, b"state 2", reversed(make_history(0, [0.5, 0.4])), seconds=1.0)
    again = reopened(store, path)
    assert again.block(0) == (b"state 1", False)
    assert again.epochs() == tuple(make_history(0, [0.5]))
    assert again.seconds() == 1.0
    again.close()


def test_a_block_whose_last_net_fails_is_not_finished(store, path, make_net, make_history):
    def nets():
        yield make_net(0), b"weights"
        raise KeyboardInterrupt

    store.save_progress(0, b"state", make_history(0, [0.5]), 0.0)
    with pytest.raises(KeyboardInterrupt):
        store.save_finished(0, nets(), make_history(0, [0.5, 0.4])[1:], 1.0)
    again = reopened(store, path)
    assert (again.block(0), again.nets(), len(again.epochs())) == ((b"state", False), (), 1)
    again.close()


def test_values_are_put_together_or_not_at_all(store):
    store.put(a=1)
    with pytest.raises(PydanticSerializationError):
        store.put(a=2, b=object())
    assert store.get("a") == 1


def test_a_store_without_a_path_writes_nothing(tmp_path, monkeypatch, make_net):
    monkeypatch.chdir(tmp_path)
    store = Store(None)
    store.save_finished(0, [(make_net(0), b"weights")], [], 0.0)
    assert store.nets() == (make_net(0),)
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_a_closed_store_is_one_file(store, path, make_history):
    store.save_progress(0, b"state", make_history(0, [0.5]), 0.0)
    store.close()
    assert list(path.parent.iterdir()) == [path]


def test_an_open_store_is_for_one_process_only(store, path, refuses):
    message = f"{path}: is in use by another dropnorm process. Wait for it to end, or use another --out."
    with refuses(RunError, message):
        Store(path)
    store.close()
    Store(path).close()


def test_a_file_that_is_no_store(path, refuses):
    path.write_bytes(b"a,b\n1,2\n" * 200)
    message = f"{path}: cannot be read as a store (file is not a database). Use another --out, or remove the file."
    with refuses(RunError, message):
        Store(path)
    assert path.read_bytes() == b"a,b\n1,2\n" * 200


def test_a_database_of_something_else(path, refuses):
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE songs (title TEXT)")
    database.close()
    message = f"{path}: cannot be read as a store (no such table: meta). Use another --out, or remove the file."
    with refuses(RunError, message):
        Store(path)


@pytest.mark.parametrize(("older", "by"), [(True, "an older"), (False, "a newer")])
def test_a_store_of_another_version(older, by, store, path):
    store.put(schema_version=OLDEST_SCHEMA - 1 if older else SCHEMA_VERSION + 1)
    store.close()
    for _ in range(2):
        with pytest.raises(RunError, match=rf"\A{re.escape(str(path))}: was written by {by} dropnorm "):
            Store(path)


def damaged(path: Path, pages: range) -> None:
    """Overwrite some pages of 4096 bytes of a store."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek(4096 * page)
            file.write(b"\xa5" * 4096)


def test_a_store_that_is_damaged_behind_its_first_pages(store, path, make_history):
    store.save_progress(0, b"state" * 5000, make_history(0, [0.5] * 2000), 0.0)
    store.close()
    damaged(path, range(4, path.stat().st_size // 4096))
    again = Store(path)
    try:
        with pytest.raises(
            RunError, match=r": cannot be read as a store \(database disk image is malformed\)\. Use another"
        ):
            again.epochs()
    finally:
        again.close()


@pytest.mark.parametrize("finishing", [False, True])
def test_where_the_disk_is_full_the_store_stays_as_it_was(finishing, store, path, make_net, make_history, refuses):
    store.save_progress(0, b"state", make_history(0, [0.5]), 1.0)
    pages = store._query("PRAGMA page_count")[0][0]
    store._query(f"PRAGMA max_page_count = {pages + 1}")
    large, more = b"x" * 20_000, make_history(0, [0.5, 0.4])[1:]
    message = (
        f"{path}: cannot be written any more (database or disk is full). What was finished before is kept: make room on the "
        f"disk, and start the same command again."
    )
    with refuses(StorageError, message):
        if finishing:
            store.save_finished(0, [(make_net(0), large)], more, 1.0)
        else:
            store.save_progress(0, large, more, 1.0)
    again = reopened(store, path)
    assert (again.block(0), again.nets(), again.epochs()) == ((b"state", False), (), tuple(make_history(0, [0.5])))
    again.save_progress(0, large, more, 1.0)
    assert again.block(0) == (large, False)
    again.close()


def test_without_room_to_compact_the_store_stays_as_it_is(store, path, make_history):
    store.save_progress(0, b"x" * 50_000, make_history(0, [0.5]), 0.0)
    store.save_finished(0, [], [], 0.0)
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"

    class Full:
        def execute(self, *_):
            raise full

        def close(self):
            pass

    database, store._db = store._db, Full()
    store.compact()
    store._db = database
    assert store.epochs() == tuple(make_history(0, [0.5]))
    before = path.stat().st_size
    store.compact()
    assert path.stat().st_size < before


def edited(path, *statements):
    """Change a closed store from outside."""
    with sqlite3.connect(path, isolation_level=None) as database:
        for statement in statements:
            database.execute(statement)
    database.close()


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_a_table_that_is_missing_or_a_view_is_named(table, store, path, refuses):
    store.close()
    message = f"{path}: cannot be read as a store (no such table: {table}). Use another --out, or remove the file."
    edited(path, f"ALTER TABLE {table} RENAME TO other")
    for read_only in (True, False):
        with refuses(RunError, message):
            Store(path, read_only=read_only)
    edited(path, f"CREATE VIEW {table} AS SELECT * FROM other")
    with refuses(RunError, message):
        Store(path, read_only=True)


def test_a_column_that_is_missing_is_named(store, path, refuses):
    store.close()
    edited(path, "ALTER TABLE nets DROP COLUMN test_loss")
    message = (
        f"{path}: cannot be read as a store (no such column: nets.test_loss). Use another --out, or remove the file."
    )
    with closing(Store(path, read_only=True)) as again, refuses(RunError, message):
        again.nets()


def test_a_value_that_cannot_be_is_named(store, path, make_net, refuses):
    store.save_finished(0, [(make_net(3), b"")], [], 0.0)
    store.put(timing={"seconds": "long"}, seconds=[1])
    store.close()
    edited(path, "UPDATE nets SET reliability = '[1'")
    reasons = {
        "nets.reliability: Expecting ',' delimiter: line 1 column 3 (char 2)": lambda store: store.nets(),
        "meta.timing.seconds: Input should be a valid number, unable to parse string as a number": lambda store: (
            store.get_record("timing", Timing)
        ),
        "meta.seconds: Input should be a valid number": lambda store: store.seconds(),
        "meta.command: Input should be a valid string": lambda store: store.get_text("command"),
        "nets.weights: none of net 4": lambda store: store.weights(4),
    }
    with closing(Store(path, read_only=True)) as again:
        for reason, read in reasons.items():
            message = f"{path}: cannot be read as a store ({reason}). Use another --out, or remove the file."
            with refuses(RunError, message):
                read(again)


def test_records_that_are_kept_by_name(store, path):
    timing = Timing(seconds=2.5, processor="P", threads=2, torch_version="2")
    store.put(timing=timing.model_dump(), command="dropnorm study")
    again = reopened(store, path)
    assert (again.get_record("timing", Timing), again.get_text("command")) == (timing, "dropnorm study")
    assert again.get_record("begun", Beginning) is None
    again.close()


def test_nan_and_infinity_are_kept(store, path, make_net, make_history):
    net = make_net(0, test_loss=math.nan, test_score=math.inf, test_r2=-math.inf, calibration_error=math.nan)
    store.save_finished(0, [(net, b"")], make_history(0, [math.nan]), 0.0)
    again = reopened(store, path)
    (back,) = again.nets()
    assert math.isnan(back.test_loss)
    assert (back.test_score, back.test_r2, back.test_r2) == (math.inf, -math.inf, -math.inf)
    assert math.isnan(back.calibration_error)
    assert math.isnan(again.epochs()[0].validation_loss)
    again.close()


def test_a_store_without_columns_is_read_and_brought_up_to_date_when_it_is_gone_on_with(store, path, make_net):
    first, second = make_net(0, test_r2=0.5), make_net(1, weight_decay=0.25, test_r2=0.5)
    store.save_finished(0, [(first, b"weights")], [], 0.0)
    store.put(schema_version=OLDEST_SCHEMA)
    store.close()
    edited(path, "ALTER TABLE nets DROP COLUMN weight_decay", "ALTER TABLE nets DROP COLUMN test_r2")
    before = path.read_bytes()
    expected = (first.model_copy(update={"test_r2": None}),)
    with closing(Store(path, read_only=True)) as again:
        assert again.nets() == expected
    assert path.read_bytes() == before
    with closing(Store(path)) as again:
        assert again.get("schema_version") == OLDEST_SCHEMA
        again.bring_up_to_date()
        again.save_finished(1, [(second, b"")], [], 0.0)
        assert (again.get("schema_version"), again.nets()) == (SCHEMA_VERSION, (*expected, second))
        assert again.weights(0) == b"weights"


def test_a_store_that_is_up_to_date_is_left_as_it_is(store, path):
    store.close()
    before = path.read_bytes()
    with closing(Store(path)) as again:
        again.bring_up_to_date()
    assert path.read_bytes() == before


def test_a_store_that_lacks_what_none_was_without_is_not_brought_up_to_date(store, path, refuses):
    store.put(schema_version=OLDEST_SCHEMA)
    store.close()
    edited(path, "ALTER TABLE nets DROP COLUMN test_loss")
    message = (
        f"{path}: cannot be read as a store (no such column: nets.test_loss). Use another --out, or remove the file."
    )
    with closing(Store(path)) as again:
        with refuses(RunError, message):
            again.bring_up_to_date()
        assert again.get("schema_version") == OLDEST_SCHEMA
