import json
from typing import Any

import pytest

from dropnorm._record import Record
from dropnorm.errors import RunError
from dropnorm.study.records import SCHEMA_VERSION
from dropnorm.study.schema import OLDEST_SCHEMA, check_schema, read_record

REMEDY = "Write it anew."


class Thing(Record):
    schema_version: int = SCHEMA_VERSION
    size: int


@pytest.fixture
def path(tmp_path):
    return tmp_path / "thing.json"


def test_a_record_is_read(path):
    path.write_text(Thing(size=3).model_dump_json())
    assert read_record(path, Thing, REMEDY, {}) == Thing(size=3)


NEWER = (
    "{path}: was written by a newer dropnorm (schema {other}, where this one reads 3 to {this}). Upgrade with pip install "
    "--upgrade dropnorm, or use another --out."
)
OLDER = (
    "{path}: was written by an older dropnorm (schema {other}, where this one reads 3 to {this}). Use the version that wrote "
    "it, or study again with another --out."
)


@pytest.mark.parametrize(("step", "message"), [(1, NEWER), (-2, OLDER)])
def test_another_version_is_told_from_damage(step, message, path, refuses):
    other = SCHEMA_VERSION + step
    path.write_text(json.dumps({"schema_version": other, "shape": "round"}))
    message = message.format(path=path, other=other, this=SCHEMA_VERSION)
    with refuses(RunError, message):
        read_record(path, Thing, REMEDY, {})
    with refuses(RunError, message):
        check_schema(path, other)


@pytest.mark.parametrize("schema", [None, "2", 2.5, [], True])
def test_what_dropnorm_did_not_write(schema: Any, path, refuses):
    message = f"{path}: names no schema, so that dropnorm did not write it. Use another --out, or remove the file."
    with refuses(RunError, message):
        check_schema(path, schema)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", ""),
        (b"[", ""),
        (b"[]", ""),
        (b"{}", ""),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
        (json.dumps({"schema_version": SCHEMA_VERSION}).encode(), " (size: Field required)"),
        (
            json.dumps({"schema_version": SCHEMA_VERSION, "size": 1, "shape": "round"}).encode(),
            " (shape: Extra inputs are not permitted)",
        ),
    ],
)
def test_a_damaged_file(content, what, path, refuses):
    path.write_bytes(content)
    with refuses(RunError, f"{path}: is damaged{what}. Write it anew."):
        read_record(path, Thing, REMEDY, {})


class Later(Record):
    schema_version: int
    length: int


UPGRADES = {
    3: lambda fields: {"schema_version": 4, "length": fields["size"] + 0},
}


def test_an_older_record_is_read_in_the_fields_of_this_version(path):
    path.write_text(json.dumps({"schema_version": 3, "size": 5}))
    assert read_record(path, Later, REMEDY, UPGRADES) == Later(schema_version=4, length=5)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({}, "size: Field required"),
        ({"size": []}, 'is not what schema 3 has: can only concatenate list (not "int") to list'),
        ({"size": 0.5}, "length: Input should be a valid integer, got a number with a fractional part"),
    ],
)
def test_an_older_file_that_is_damaged(fields, what, path, refuses):
    path.write_text(json.dumps({"schema_version": 3} | fields))
    with refuses(RunError, f"{path}: is damaged ({what}). Write it anew."):
        read_record(path, Later, REMEDY, UPGRADES)


def test_every_schema_that_is_read_can_be_upgraded():
    assert OLDEST_SCHEMA == 3
    assert SCHEMA_VERSION == 4
