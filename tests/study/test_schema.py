import json
from typing import Any

import pytest

from dropnorm._record import Record
from dropnorm.errors import RunError
from dropnorm.study.records import SCHEMA_VERSION
from dropnorm.study.schema import check_schema, read_record

REMEDY = "Write it anew."


class Thing(Record):
    schema_version: int = SCHEMA_VERSION
    size: int


@pytest.fixture
def path(tmp_path):
    return tmp_path / "thing.json"


def test_a_record_is_read(path):
    path.write_text(Thing(size=3).model_dump_json())
    assert read_record(path, Thing, REMEDY) == Thing(size=3)


NEWER = (
    "{path}: was written by a newer dropnorm (schema {other}, where this one reads {this}). Upgrade with pip install --upgrade "
    "dropnorm, or use another --out."
)
OLDER = (
    "{path}: was written by an older dropnorm (schema {other}, where this one reads {this}). Use the version that wrote it, or "
    "study again with another --out."
)


@pytest.mark.parametrize(("step", "message"), [(1, NEWER), (-1, OLDER)])
def test_another_version_is_told_from_damage(step, message, path, refuses):
    other = SCHEMA_VERSION + step
    path.write_text(json.dumps({"schema_version": other, "shape": "round"}))
    message = message.format(path=path, other=other, this=SCHEMA_VERSION)
    with refuses(RunError, message):
        read_record(path, Thing, REMEDY)
    with refuses(RunError, message):
        check_schema(path, other)


@pytest.mark.parametrize("schema", [None, "2", 2.5, []])
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
        read_record(path, Thing, REMEDY)
