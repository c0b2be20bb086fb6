"""The SQLite file of a run: what is finished, and the state from which an unfinished study goes on.

Rows and the state that made them are written in one transaction, so that a study killed at any moment finds the two in
step. Nothing here imports torch: a state and a net's weights are bytes.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from dropnorm._record import Record
from dropnorm.errors import RunError, StorageError
from dropnorm.study.pictures.records import Pictures, UnitInput
from dropnorm.study.records import SCHEMA_VERSION, CurveNet, EpochRecord, NetRecord, Run, Summary, Timing
from dropnorm.study.schema import check_schema, read_record

STORE_NAME = "study.sqlite"
SUMMARY_NAME = "summary.json"
DAMAGED_SUMMARY = "Start the same `dropnorm study` again: it writes the file anew."

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE blocks (block INTEGER PRIMARY KEY, state BLOB, finished INTEGER NOT NULL) STRICT;
CREATE TABLE epochs (
  net INTEGER, epoch INTEGER, train_loss REAL NOT NULL, train_score REAL NOT NULL, validation_loss REAL NOT NULL,
  validation_score REAL NOT NULL, PRIMARY KEY (net, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE nets (
  net INTEGER PRIMARY KEY, arm TEXT NOT NULL, split INTEGER NOT NULL, seed INTEGER NOT NULL, rate REAL NOT NULL,
  weight_decay REAL NOT NULL, epochs INTEGER NOT NULL, best_epoch INTEGER NOT NULL, train_loss REAL NOT NULL,
  train_score REAL NOT NULL, validation_loss REAL NOT NULL, validation_score REAL NOT NULL, test_loss REAL NOT NULL,
  test_score REAL NOT NULL, test_r2 REAL, calibration_error REAL, reliability TEXT, weights BLOB NOT NULL
) STRICT;
CREATE TABLE curve_nets (
  net INTEGER PRIMARY KEY, arm TEXT NOT NULL, split INTEGER NOT NULL, seed INTEGER NOT NULL, rate REAL NOT NULL,
  weight_decay REAL NOT NULL, epochs INTEGER NOT NULL, best_epoch INTEGER NOT NULL, train_loss REAL NOT NULL,
  train_score REAL NOT NULL, validation_loss REAL NOT NULL, validation_score REAL NOT NULL, test_loss REAL NOT NULL,
  test_score REAL NOT NULL, test_r2 REAL, calibration_error REAL, reliability TEXT, fraction REAL NOT NULL,
  train_rows INTEGER NOT NULL
) STRICT;
CREATE TABLE unit_inputs (
  net INTEGER, epoch INTEGER, layer INTEGER, unit INTEGER NOT NULL, low REAL NOT NULL, median REAL NOT NULL,
  high REAL NOT NULL, PRIMARY KEY (net, epoch, layer)
) STRICT, WITHOUT ROWID;
"""

AnyRecord = TypeVar("AnyRecord", bound=Record)


class StoreInUseError(RunError):
    """Another process writes to the store."""


class Store:
    """An open store. One opened to be written to no other process can open meanwhile; a path of None keeps it in memory.

    Args:        timeout: seconds to wait for another process; despite_lock: read what another process is writing to as it was
                 last committed, for a glance that may fail.
    """

    def __init__(
        self, path: Path | None, *, read_only: bool = False, timeout: float = 1.0, despite_lock: bool = False
    ) -> None:
        # To read it, too, a transaction that was killed must be rolled back, unless the file is write-protected.
        mode = "mode=ro&immutable=1" if despite_lock else f"mode={'rw' if read_only else 'rwc'}"
        name = ":memory:" if path is None else f"{path.resolve().as_uri()}?{mode}"
        self._path = path
        try:
            self._db = sqlite3.connect(name, uri=path is not None, isolation_level=None, timeout=timeout)
        except sqlite3.DatabaseError as error:
            raise _ours(path, error) from error
        try:
            if read_only:
                self._query("PRAGMA query_only = ON")
            else:
                self._begin()
            check_schema(path, self.get("schema_version"))
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        """Lock the file, and make the tables of a new one."""
        self._query("PRAGMA locking_mode = EXCLUSIVE")
        with self._transaction("EXCLUSIVE"):
            if not self._query("SELECT count(*) FROM sqlite_master")[0][0]:
                # executescript would commit first
                for statement in _SCHEMA.split(";\n"):
                    self._query(statement)
                self._put("schema_version", SCHEMA_VERSION)

    def close(self) -> None:
        """Close the file; what was not committed is gone."""
        self._db.close()

    def compact(self) -> None:
        """Give back the space of states that are needed no more, several times that of the results.

        It needs room for a while. Where there is none, nothing is lost but that.
        """
        with suppress(StorageError):
            self._query("VACUUM")

    def get(self, name: str) -> Any:
        """A value kept by name, or None."""
        rows = self._query("SELECT value FROM meta WHERE name = ?", (name,))
        return json.loads(rows[0][0]) if rows else None

    def put(self, **values: Any) -> None:
        """Keep values by name, in one transaction."""
        with self._transaction():
            for name, value in values.items():
                self._put(name, value)

    def block(self, block: int) -> tuple[bytes | None, bool]:
        """The saved state of a block of nets, and whether it is finished."""
        rows = self._query("SELECT state, finished FROM blocks WHERE block = ?", (block,))
        return (rows[0][0], bool(rows[0][1])) if rows else (None, False)

    def save_progress(
        self,
        block: int,
        state: bytes,
        epochs: Iterable[EpochRecord],
        seconds: float,
        unit_inputs: Iterable[UnitInput] = (),
    ) -> None:
        """Keep a block's state together with what was measured since the last one."""
        with self._transaction():
            self._save_measured(epochs, unit_inputs, seconds)
            self._query("INSERT OR REPLACE INTO blocks VALUES (?, ?, 0)", (block, state))

    def save_finished(
        self,
        block: int,
        nets: Iterable[tuple[NetRecord, bytes]],
        epochs: Iterable[EpochRecord],
        seconds: float,
        unit_inputs: Iterable[UnitInput] = (),
    ) -> None:
        """Keep a finished block's nets; its state is needed no more."""
        with self._transaction():
            self._save_measured(epochs, unit_inputs, seconds)
            for record, weights in nets:
                reliability = None if record.reliability is None else record.reliability.model_dump_json()
                values = (*(record.model_dump() | {"reliability": reliability}).values(), weights)
                self._query(f"INSERT INTO nets VALUES ({', '.join('?' * len(values))})", values)
            self._query("INSERT OR REPLACE INTO blocks VALUES (?, NULL, 1)", (block,))

    def save_curve(self, block: int, nets: Iterable[CurveNet], seconds: float) -> None:
        """Keep a finished block of the learning curve, of which nothing but the scores is of use."""
        with self._transaction():
            self._save_measured((), (), seconds)
            for record in nets:
                values = tuple((record.model_dump() | {"reliability": None}).values())
                self._query(f"INSERT INTO curve_nets VALUES ({', '.join('?' * len(values))})", values)
            self._query("INSERT OR REPLACE INTO blocks VALUES (?, NULL, 1)", (block,))

    def weights(self, net: int) -> bytes:
        """A finished net's weights as safetensors."""
        weights: bytes = self._query("SELECT weights FROM nets WHERE net = ?", (net,))[0][0]
        return weights

    def nets(self) -> tuple[NetRecord, ...]:
        """All finished nets."""
        return self._records(NetRecord, "nets")

    def epochs(self) -> tuple[EpochRecord, ...]:
        """All epochs of all nets."""
        return self._records(EpochRecord, "epochs")

    def curve_nets(self) -> tuple[CurveNet, ...]:
        """All finished nets of the learning curve."""
        return self._records(CurveNet, "curve_nets")

    def unit_inputs(self) -> tuple[UnitInput, ...]:
        """All that was measured of units' inputs while nets learned."""
        return self._records(UnitInput, "unit_inputs")

    def pictures(self) -> Pictures | None:
        """What was measured in the finished nets, once it was."""
        kept = self.get("pictures")
        return None if kept is None else Pictures.model_validate(kept)

    def counts(self) -> tuple[int, int]:
        """How many nets are finished, those of the learning curve too, and how many epochs of the others are behind."""
        finished = self._query("SELECT (SELECT count(*) FROM nets) + (SELECT count(*) FROM curve_nets)")[0][0]
        behind = self._query("SELECT count(*) FROM epochs WHERE net NOT IN (SELECT net FROM nets)")[0][0]
        return int(finished), int(behind)

    def seconds(self) -> float:
        """How long training has taken so far, interruptions left out."""
        return float(self.get("seconds") or 0.0)

    def _put(self, name: str, value: Any) -> None:
        self._query("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, json.dumps(value)))

    def _save_measured(self, epochs: Iterable[EpochRecord], unit_inputs: Iterable[UnitInput], seconds: float) -> None:
        for record in epochs:
            self._query("INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?)", tuple(record.model_dump().values()))
        for measured in unit_inputs:
            self._query("INSERT INTO unit_inputs VALUES (?, ?, ?, ?, ?, ?, ?)", tuple(measured.model_dump().values()))
        self._put("seconds", self.seconds() + seconds)

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """All or nothing; sqlite3's own context manager does not begin one."""
        self._query(f"BEGIN {kind}")
        try:
            yield
            self._query("COMMIT")
        except BaseException:
            # Of a full disk SQLite may have rolled back by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of an answer.

        Raises:      StorageError where the file cannot be written, RunError where it is damaged or another process has it.
        """
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _ours(self._path, error) from error

    def _records(self, record: type[AnyRecord], table: str) -> tuple[AnyRecord, ...]:
        fields = list(record.model_fields)
        key = ", ".join(name for name in ("net", "epoch", "layer") if name in fields)
        rows = self._query(f"SELECT {', '.join(fields)} FROM {table} ORDER BY {key}")
        return tuple(
            record(**{name: _read(name, value) for name, value in zip(fields, row, strict=True)}) for row in rows
        )


def load_run(folder: str | Path) -> Run:
    """Read a finished run from its folder, without torch.

    Raises:      RunError if there is no run, it is not finished, or another version wrote it.
    """
    folder = Path(folder)
    path, summary_path = folder / STORE_NAME, folder / SUMMARY_NAME
    if not path.exists():
        raise RunError(f"{folder}: holds no study. Expected the folder that `dropnorm study` wrote (its --out).")
    if not summary_path.exists():
        raise RunError(f"{folder}: its study is not finished. Start the same `dropnorm study` again, and it goes on.")
    summary = read_record(summary_path, Summary, DAMAGED_SUMMARY)
    store = Store(path, read_only=True)
    try:
        timing = store.get("timing")
        return Run(
            summary=summary,
            nets=store.nets(),
            epochs=store.epochs(),
            curve_nets=store.curve_nets(),
            unit_inputs=store.unit_inputs(),
            pictures=store.pictures(),
            timing=None if timing is None else Timing(**timing),
            command=store.get("command"),
        )
    finally:
        store.close()


def _read(name: str, value: Any) -> Any:
    """A column's value; that of the bins is JSON."""
    return json.loads(value) if name == "reliability" and value is not None else value


def _ours(path: Path | None, error: sqlite3.DatabaseError) -> Exception:
    """What an error of SQLite's means to the user; one that means a mistake of ours stays as it is."""
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
        return StorageError(
            f"{path}: cannot be written any more ({error}). What was finished before is kept: make room on the disk, and start "
            f"the same command again."
        )
    if name in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return StoreInUseError(
            f"{path}: is in use by another dropnorm process. Wait for it to end, or use another --out."
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_CANTOPEN")) or "no such" in str(error):
        return RunError(f"{path}: cannot be read as a store ({error}). Use another --out, or remove the file.")
    return error
