"""The SQLite file of a run: what is finished, and the state from which an unfinished study goes on.

Rows and the state that made them are written in one transaction, so that a study killed at any moment finds the two in
step. Nothing here imports torch: a state and a net's weights are bytes.
"""

import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from dropnorm._record import Record
from dropnorm.errors import RunError, StorageError
from dropnorm.study.pictures.records import Pictures, UnitInput
from dropnorm.study.records import SCHEMA_VERSION, CurveNet, EpochRecord, NetRecord
from dropnorm.study.runs.store_files import check_store_files
from dropnorm.study.runs.tables import Column, RecordTable
from dropnorm.study.schema import check_schema

STORE_NAME = "study.sqlite"
SECONDS_PER_QUERY = 15.0  # a damaged file can make SQLite walk the same pages for ever
_STEPS_BETWEEN_LOOKS = 1_000_000  # of SQLite's machine, some milliseconds
_ROWS_AT_ONCE = 4096
_COMPUTES = re.compile(r"\b(AS|CHECK|COLLATE|REFERENCES)\b", re.IGNORECASE)  # in a CREATE TABLE
_SMALLEST_ROW = 4  # bytes of a row in the file: its place in a page, its length and its header

AnyRecord = TypeVar("AnyRecord", bound=Record)


class KeptValue(Record):
    """Anything else that a run must know, under a name."""

    name: str
    value: Any


class Block(Record):
    """Some nets that train together; while they do, the state from which they go on is kept beside."""

    block: int
    finished: bool


META = RecordTable("meta", KeptValue, key=("name",))
BLOCKS = RecordTable("blocks", Block, key=("block",), blobs={"state": bytes | None})
EPOCHS = RecordTable("epochs", EpochRecord, key=("net", "epoch"))
NETS = RecordTable("nets", NetRecord, key=("net",), blobs={"weights": bytes})
CURVE_NETS = RecordTable("curve_nets", CurveNet, key=("net",))
UNIT_INPUTS = RecordTable("unit_inputs", UnitInput, key=("net", "epoch", "layer"))
TABLES: tuple[RecordTable[Any], ...] = (META, BLOCKS, EPOCHS, NETS, CURVE_NETS, UNIT_INPUTS)


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
        self._path, self._deadline, self._file = path, float("inf"), None
        if path is not None:
            check_store_files(path)
        try:
            self._db = sqlite3.connect(name, uri=path is not None, isolation_level=None, timeout=timeout)
        except sqlite3.DatabaseError as error:
            raise _ours(path, error) from error
        try:
            self._db.row_factory = sqlite3.Row
            self._query("PRAGMA trusted_schema = OFF")
            if read_only:
                self._query("PRAGMA query_only = ON")
                self._limit_reading()
            else:
                self._begin()
            self._check_tables()
            check_schema(path, self.get("schema_version"))
            self._file = self._identity()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        """Lock the file, and make the tables of a new one."""
        self._query("PRAGMA locking_mode = EXCLUSIVE")
        with self._transaction("EXCLUSIVE"):
            if not self._query("SELECT name FROM sqlite_master"):
                for table in TABLES:
                    self._query(table.creation)
                self._put("schema_version", SCHEMA_VERSION)

    def _limit_reading(self) -> None:
        """Let no query of a damaged file take for ever, or give values that are larger than the file."""
        self._db.set_progress_handler(lambda: time.monotonic() > self._deadline, _STEPS_BETWEEN_LOOKS)
        if self._path is not None:
            largest = max(1 << 16, self._path.stat().st_size)
            known = self._db.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
            self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(known, largest))

    def _check_tables(self) -> None:
        """See that all tables are there, and nothing else: views, triggers, virtual tables and checks compute anything."""
        if self._query("PRAGMA journal_mode")[0]["journal_mode"] == "wal":
            raise self._unreadable("keeps a write-ahead log")
        there = self._query("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master")
        found = {row["name"] for row in there if row["type"] == "table"}
        for table in TABLES:
            if table.name not in found:
                raise self._unreadable(f"no such table: {table.name}")
        names = {table.name for table in TABLES}
        for row in there:
            kind, sql = row["type"], row["sql"] or ""
            # An index without SQL is the one of a primary key; a table without a page is a virtual one.
            own = kind == ("table" if sql else "index") and row["tbl_name"] in names and row["rootpage"]
            if not own:
                raise self._unreadable(f"holds the {kind} {row['name']}")
            if _COMPUTES.search(sql):
                raise self._unreadable(f"the {kind} {row['name']} computes")

    def check_there(self) -> None:
        """See that the file is still the one that was opened: what is written to one that is not is lost.

        Raises:      StorageError if the file, or its folder, was removed, moved or replaced.
        """
        if self._identity() != self._file:
            raise StorageError(
                f"{self._path}: was removed, moved or replaced while the study ran, so that what is found cannot be kept. Put "
                f"the run's folder back, if it was moved, and start the same command again: it goes on from the last save."
            )

    def _identity(self) -> tuple[int, int] | None:
        """Which file lies at the path; None where there is none."""
        if self._path is None:
            return None
        try:
            found = self._path.stat(follow_symlinks=False)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def close(self) -> None:
        """Close the file; what was not committed is gone."""
        self._db.close()

    def bring_up_to_date(self) -> None:
        """Give the tables of an older version the columns that they lack, so that it can be gone on with.

        An older version does not read it any more.
        Raises:      RunError for a column that no version has ever been without.
        """
        if self.get("schema_version") == SCHEMA_VERSION and not any(self._lacking(table) for table in TABLES):
            return
        with self._transaction():
            for table in TABLES:
                for column in self._lacking(table):
                    literal = self._query("SELECT quote(?) AS literal", (column.encode(column.default),))[0]["literal"]
                    self._query(table.addition(column, literal))
            self._put("schema_version", SCHEMA_VERSION)

    def compact(self) -> None:
        """Give back the space of states that are needed no more, several times that of the results.

        It needs room for a while. Where there is none, nothing is lost but that.
        """
        with suppress(StorageError):
            self._query("VACUUM")

    def get(self, name: str) -> Any:
        """A value kept by name, or None."""
        kept = self._read(META, "WHERE name = ?", (name,))
        return kept[0].value if kept else None

    def get_record(self, name: str, record: type[AnyRecord]) -> AnyRecord | None:
        """A record kept by name, or None.

        Raises:      RunError for what is no such record.
        """
        kept = self.get(name)
        try:
            return None if kept is None else record.model_validate(kept)
        except ValidationError as error:
            wrong = error.errors()[0]
            raise self._unreadable(f"{'.'.join([META.name, name, *map(str, wrong['loc'])])}: {wrong['msg']}") from error

    def get_text(self, name: str) -> str:
        """A text kept by name.

        Raises:      RunError if there is none.
        """
        kept = self.get(name)
        if not isinstance(kept, str):
            raise self._unreadable(f"{META.name}.{name}: Input should be a valid string")
        return kept

    def put(self, **values: Any) -> None:
        """Keep values by name, in one transaction."""
        with self._transaction():
            for name, value in values.items():
                self._put(name, value)

    def block(self, block: int) -> tuple[bytes | None, bool]:
        """The saved state of a block of nets, and whether it is finished."""
        rows = self._query("SELECT state, finished FROM blocks WHERE block = ?", (block,))
        return (rows[0]["state"], bool(rows[0]["finished"])) if rows else (None, False)

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
            self._insert(BLOCKS, Block(block=block, finished=False), replace=True, state=state)

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
                self._insert(NETS, record, weights=weights)
            self._insert(BLOCKS, Block(block=block, finished=True), replace=True, state=None)

    def save_curve(self, block: int, nets: Iterable[CurveNet], seconds: float) -> None:
        """Keep a finished block of the learning curve, of which nothing but the scores is of use."""
        with self._transaction():
            self._save_measured((), (), seconds)
            for record in nets:
                self._insert(CURVE_NETS, record)
            self._insert(BLOCKS, Block(block=block, finished=True), replace=True, state=None)

    def weights(self, net: int) -> bytes:
        """A finished net's weights as safetensors."""
        rows = self._query("SELECT weights FROM nets WHERE net = ?", (net,))
        if not rows or not isinstance(rows[0]["weights"], bytes):
            raise self._unreadable(f"nets.weights: none of net {net}")
        weights: bytes = rows[0]["weights"]
        return weights

    def nets(self) -> tuple[NetRecord, ...]:
        """All finished nets."""
        return self._read(NETS)

    def epochs(self) -> tuple[EpochRecord, ...]:
        """All epochs of all nets."""
        return self._read(EPOCHS)

    def curve_nets(self) -> tuple[CurveNet, ...]:
        """All finished nets of the learning curve."""
        return self._read(CURVE_NETS)

    def unit_inputs(self) -> tuple[UnitInput, ...]:
        """All that was measured of units' inputs while nets learned."""
        return self._read(UNIT_INPUTS)

    def pictures(self) -> Pictures | None:
        """What was measured in the finished nets, once it was."""
        return self.get_record("pictures", Pictures)

    def counts(self) -> tuple[int, int]:
        """How many nets are finished, those of the learning curve too, and how many epochs of the others are behind."""
        finished = "(SELECT count(*) FROM nets) + (SELECT count(*) FROM curve_nets)"
        behind = "(SELECT count(*) FROM epochs WHERE net NOT IN (SELECT net FROM nets))"
        row = self._query(f"SELECT {finished} AS finished, {behind} AS behind")[0]
        return row["finished"], row["behind"]

    @property
    def holds_progress(self) -> bool:
        """Whether anything of nets in training, or of finished ones, is kept."""
        return any(self._query(f'SELECT 1 FROM "{table.name}" LIMIT 1') for table in TABLES if table is not META)

    def seconds(self) -> float:
        """How long training has taken so far, interruptions left out."""
        seconds = self.get("seconds")
        if not isinstance(seconds, int | float | None):
            raise self._unreadable("meta.seconds: Input should be a valid number")
        return float(seconds or 0.0)

    def _put(self, name: str, value: Any) -> None:
        self._insert(META, KeptValue(name=name, value=value), replace=True)

    def _save_measured(self, epochs: Iterable[EpochRecord], unit_inputs: Iterable[UnitInput], seconds: float) -> None:
        for record in epochs:
            self._insert(EPOCHS, record)
        for measured in unit_inputs:
            self._insert(UNIT_INPUTS, measured)
        self._put("seconds", self.seconds() + seconds)

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """All or nothing; sqlite3's own context manager does not begin one."""
        if self._file is not None:
            self.check_there()
        self._query(f"BEGIN {kind}")
        try:
            yield
            self._query("COMMIT")
        except BaseException:
            # Of a full disk SQLite may have rolled back by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of an answer.

        Raises:      StorageError where the file cannot be written, RunError where it is damaged or another process has it.
        """
        self._deadline = time.monotonic() + SECONDS_PER_QUERY
        try:
            return self._all(self._db.execute(sql, values))
        except sqlite3.Error as error:
            raise _ours(self._path, error) from error
        except UnicodeDecodeError as error:  # of SQLite's own message, which quotes the file
            raise self._unreadable("its tables are damaged") from error

    def _all(self, cursor: sqlite3.Cursor) -> list[sqlite3.Row]:
        """All rows, unless they are more than the file has room for: pages that are damaged may name each other."""
        rows: list[sqlite3.Row] = []
        while some := cursor.fetchmany(_ROWS_AT_ONCE):
            rows += some
            if len(some) < _ROWS_AT_ONCE or self._path is None:
                continue
            if len(rows) * _SMALLEST_ROW > self._path.stat().st_size:
                raise self._unreadable("its pages name each other")
        return rows

    def _insert(self, table: RecordTable[AnyRecord], record: AnyRecord, *, replace: bool = False, **blobs: Any) -> None:
        self._query(*table.insertion(record, blobs, replace=replace))

    def _read(
        self, table: RecordTable[AnyRecord], condition: str = "", values: Sequence[Any] = ()
    ) -> tuple[AnyRecord, ...]:
        """All records of a table, or those that a condition holds for.

        Raises:      RunError that names table and column of what is missing or cannot be.
        """
        try:
            rows = self._query(table.selection(self._columns(table), condition), values)
            return tuple(table.record_of(dict(row)) for row in rows)
        except ValueError as error:
            raise self._unreadable(str(error)) from error

    def _lacking(self, table: RecordTable[Any]) -> tuple[Column, ...]:
        try:
            return table.lacking(self._columns(table))
        except ValueError as error:
            raise self._unreadable(str(error)) from error

    def _columns(self, table: RecordTable[Any]) -> set[str]:
        return {row["name"] for row in self._query("SELECT name FROM pragma_table_info(?)", (table.name,))}

    def _unreadable(self, reason: str) -> RunError:
        return RunError(f"{self._path}: cannot be read as a store ({reason}). Use another --out, or remove the file.")


def _ours(path: Path | None, error: sqlite3.Error) -> Exception:
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
    if name.startswith("SQLITE_READONLY"):
        return RunError(f"{path}: cannot be written to ({error}). Make the folder writable, or use another --out.")
    if isinstance(error, sqlite3.ProgrammingError):
        return error
    return RunError(f"{path}: cannot be read as a store ({error}). Use another --out, or remove the file.")
