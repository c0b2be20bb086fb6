"""Mutated stores, models, study files and data: every command ends as it should, whatever it is given.

A command ends with 0, 1, 2 or 130 and without a traceback, within 20 seconds and 1 GiB, and changes no file outside of the
run. The mutations are those of a seed. `make fuzz` goes on for DROPNORM_FUZZ_SECONDS, 600 there.
"""

import gzip
import json
import os
import random
import resource
import shutil
import sqlite3
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dropnorm import cli

SECONDS = float(os.environ.get("DROPNORM_FUZZ_SECONDS", "20"))
SEED = int(os.environ.get("DROPNORM_FUZZ_SEED", "0"))
LONGEST, LARGEST = 20.0, 1 << 30
STRANGE = [
    None, True, -1, 0, 7, 10**30, 1e308, float("nan"), float("inf"), "", "x", "=1+1", ":x:", "\x1b[31m", "\u202e", "\ud800",
    [], [1], [[1]], {}, {"a": 1}, "9" * 5000, "os:abort", "code:interact",
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A finished run, data in each format, and a file outside that nothing may change."""
    folder = tmp_path_factory.mktemp("fuzz")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3)).round(3)
    table = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": ["u", "v"] * 30, "kind": ["ant", "bee", "cat"] * 20})
    table.write_csv(folder / "data.csv")
    table.write_parquet(folder / "data.parquet")
    table.write_ipc(folder / "data.arrow")
    np.savez(folder / "data.npz", X=X, y=np.arange(60) % 3)
    table.write_excel(folder / "data.xlsx")
    table.write_ndjson(folder / "data.jsonl")
    table.write_json(folder / "data.json")
    (folder / "data.csv.gz").write_bytes(gzip.compress(table.write_csv().encode()))
    rows = "".join(f"{a},{kind}\n" for a, kind in table.select("a", "kind").rows())
    (folder / "data.arff").write_text(
        f"@relation r\n@attribute a numeric\n@attribute kind {{ant,bee,cat}}\n@data\n{rows}"
    )
    words = ["study", folder / "data.csv", "--target", "kind", "--seeds", "2", "--epochs", "2", "--hidden", "4"]
    assert ended([*words, "--batch-size", "16", "--out", folder / "run"])[0] == 0
    (folder / "outside.txt").write_text("precious")
    return folder


def ended(words) -> tuple[int, str, float]:
    """The exit code of a command in this process, what escaped from it, and the seconds it took."""
    before, argv, sys.argv = time.monotonic(), sys.argv, ["dropnorm", *map(str, words)]
    try:
        cli.main()
    except SystemExit as end:
        code = end.code or 0
        return code if isinstance(code, int) else 1, "", time.monotonic() - before
    except BaseException as error:
        return -1, repr(error), time.monotonic() - before
    finally:
        sys.argv = argv
    return 0, "", time.monotonic() - before


def changed_json(value, rng):
    """A copy with one value somewhere inside replaced, removed or repeated."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {name: one for name, one in value.items() if name != key}
        return value | {key: changed_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        if rng.random() < 0.2:
            return value[:place] + value[place + 1 :]
        return [*value[:place], changed_json(value[place], rng), *value[place + 1 :]]
    return rng.choice(STRANGE)


def damage_json(path, rng):
    path.write_text(json.dumps(changed_json(json.loads(path.read_text()), rng)))


def damage_bytes(path, rng):
    content = bytearray(path.read_bytes())
    match rng.randrange(4):
        case 0:
            del content[rng.randrange(len(content)) :]
        case 1:
            for _ in range(rng.choice([1, 8, 64])):
                content[rng.randrange(len(content))] = rng.randrange(256)
        case 2:
            start = rng.randrange(len(content))
            content[start : start + rng.randrange(1, 200)] = b""
        case _:
            start = rng.randrange(min(200, len(content)))
            content[start : start + 8] = rng.randbytes(8)
    path.write_bytes(bytes(content))


def damage_store(path, rng):
    """A row changed, a table dropped or replaced; what SQLite itself refuses is left."""
    database = sqlite3.connect(path, isolation_level=None)
    table = rng.choice(["meta", "blocks", "epochs", "nets", "curve_nets", "unit_inputs"])
    try:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        column, strange = rng.choice(columns), rng.choice([None, -1, 2**62, 1e308, "x", "[" * 3000, b"\xff\x00", "NaN"])
        match rng.randrange(8):
            case 0:
                database.execute(f"DROP TABLE {table}")
            case 1:
                database.execute(f"DELETE FROM {table}")
            case 2:
                database.execute(f"DROP TABLE {table}")
                endless = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT i AS name FROM r"
                database.execute(f"CREATE VIEW {table} AS {endless}")
            case 3:
                columns_without_types = ", ".join(columns)
                database.execute(f"ALTER TABLE {table} RENAME TO old")
                database.execute(f"CREATE TABLE {table} ({columns_without_types})")
                database.execute(f"INSERT INTO {table} SELECT * FROM old")
                database.execute("DROP TABLE old")
                database.execute(f"UPDATE {table} SET {column} = ?", [strange])
            case 4 | 5:
                name, value = rng.choice(database.execute("SELECT name, value FROM meta").fetchall())
                text = json.dumps(changed_json(json.loads(value), rng)) if rng.random() < 0.8 else str(strange)
                database.execute("UPDATE meta SET value = ? WHERE name = ?", [text, name])
            case _:
                database.execute(f"UPDATE {table} SET {column} = ?", [strange])
    except (sqlite3.Error, UnicodeEncodeError, IndexError):
        pass
    finally:
        database.close()


def damage_toml(path, rng):
    strange = ["1" * 5000, "[" * 2000, "nan", "-1", "1e400", '""', '"os:abort"', "{}", "[[]]", "true", "1979-05-27"]
    line = f"{rng.choice(['data', 'net', 'seeds', 'epochs', 'hidden', 'arms', 'x', 'dropout'])} = {rng.choice(strange)}"
    lines = path.read_text().splitlines()
    if rng.random() < 0.5:
        lines[rng.randrange(len(lines))] = line
    else:
        lines.insert(rng.randrange(len(lines)), line)
    path.write_text("\n".join(lines))


KINDS = {
    "model.json": [damage_json, damage_json, damage_bytes],
    "summary.json": [damage_json, damage_json, damage_bytes],
    "model.safetensors": [damage_bytes],
    "study.sqlite": [damage_store, damage_store, damage_store, damage_bytes],
    "study.toml": [damage_toml, damage_bytes],
}
DATA = (
    "data.csv",
    "data.parquet",
    "data.arrow",
    "data.npz",
    "data.xlsx",
    "data.jsonl",
    "data.json",
    "data.csv.gz",
    "data.arff",
)


def commands(name, run, data, rng):
    """What may be called with a file of this name that is damaged."""
    study = ["--target", "kind", "--seeds", "2", "--epochs", "2", "--hidden", "4", "--batch-size", "16"]
    of_run = [
        ["runs", run.parent], ["runs", run, "--json"], ["report", run], ["compare", run, run], ["export", run, "--csv"],
        ["predict", run, data], ["predict", run, data, "--net", 1], ["predict", run, data, "--arm", "dropout"],
        ["export", run, "--onnx"], ["study", data, *study, "--out", run],
    ]  # fmt: skip
    if name in DATA:
        target = [] if name == "data.npz" else ["--target", "kind"]
        of_data = [
            "study",
            run.parent / name,
            *target,
            "--seeds",
            "2",
            "--epochs",
            "1",
            "--hidden",
            "4",
            "--out",
            run.parent / "new",
        ]
        return [
            of_data,
            ["columns", run.parent / name],
            ["predict", run, run.parent / name],
            ["evaluate", run, run.parent / name],
        ]
    if name == "study.toml":
        return [["study", run / name, "--out", run.parent / "new", "--seeds", "2", "--epochs", "1", "--hidden", "4"]]
    return rng.sample(of_run, 3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.timeout(max(120, 2 * SECONDS))
def test_every_command_ends_as_it_should_whatever_it_is_given(world, tmp_path, capfd):
    rng, start, calls = random.Random(SEED), time.monotonic(), 0
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    wrong = []
    while time.monotonic() - start < SECONDS:
        runs = tmp_path / "runs"
        shutil.rmtree(runs, ignore_errors=True)
        shutil.copytree(world / "run", runs / "run")
        name = rng.choice([*KINDS, *KINDS, *DATA])
        if name in DATA:
            shutil.copy(world / name, runs / name)
            kind, path = damage_bytes, runs / name
        else:
            kind, path = rng.choice(KINDS[name]), runs / "run" / name
        kind(path, rng)
        before = everything(world)
        for words in commands(name, runs / "run", world / "data.csv", rng):
            code, escaped, seconds = ended(words)
            out, err = capfd.readouterr()
            calls += 1
            told = [
                line
                for line in (out + err).splitlines()
                if "Traceback" in line or "failed while running" in line or "panicked" in line
            ]
            if code not in (0, 1, 2, 130) or escaped or told or seconds > LONGEST:
                wrong.append(
                    (
                        calls,
                        kind.__name__,
                        name,
                        [str(word) for word in words][:4],
                        code,
                        escaped,
                        told,
                        round(seconds, 1),
                    )
                )
        assert everything(world) == before
    assert not wrong, "\n".join(map(str, wrong))
    assert calls > 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - grown < LARGEST


def everything(folder: Path) -> dict[str, bytes]:
    """All files of a folder, whose contents nothing may change."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
