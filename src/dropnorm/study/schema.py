"""Which version of dropnorm wrote a file, and how it is read where it was another one than this."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from dropnorm._record import Record
from dropnorm.errors import RunError
from dropnorm.study.memory import check_fits
from dropnorm.study.records import SCHEMA_VERSION
from dropnorm.study.runs.store_files import check_regular

AnyRecord = TypeVar("AnyRecord", bound=Record)
Fields = dict[str, Any]

_TIMES_ITS_SIZE = 10  # what JSON takes as Python's objects, at most about
OLDEST_SCHEMA = 3
"""Version 0.1.0 wrote it. What was before is refused."""


def check_schema(path: Path | None, schema: object) -> None:
    """Refuse a file of a schema that this version does not read.

    Raises:      RunError that says whether a newer or an older dropnorm wrote it, and what to do.
    """
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise RunError(
            f"{path}: names no schema, so that dropnorm did not write it. Use another --out, or remove the file."
        )
    read = f"schema {schema}, where this one reads {OLDEST_SCHEMA} to {SCHEMA_VERSION}"
    if schema > SCHEMA_VERSION:
        raise RunError(
            f"{path}: was written by a newer dropnorm ({read}). Upgrade with pip install --upgrade dropnorm, or use another "
            f"--out."
        )
    if schema < OLDEST_SCHEMA:
        raise RunError(
            f"{path}: was written by an older dropnorm ({read}). Use the version that wrote it, or study again with another "
            f"--out."
        )


def read_record(
    path: Path, record: type[AnyRecord], remedy: str, upgrades: Mapping[int, Callable[[Fields], Fields]]
) -> AnyRecord:
    """A record from its JSON file.

    Args:        remedy: what to do about a file that is damaged; upgrades: from the fields of each older schema those of the
                 next one.
    Raises:      RunError for one of a version that is not read, and for a damaged one, with the field.
    """
    check_regular(path)
    check_fits(path, "the file", _TIMES_ITS_SIZE * path.stat().st_size, RunError)
    try:
        fields = json.loads(path.read_bytes())
        schema = fields["schema_version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(f"{path}: is damaged. {remedy}") from error
    check_schema(path, schema)
    try:
        return record_of(fields, record, upgrades)
    except ValueError as error:
        raise RunError(f"{path}: is damaged ({error}). {remedy}") from error


def record_of(fields: Fields, record: type[AnyRecord], upgrades: Mapping[int, Callable[[Fields], Fields]]) -> AnyRecord:
    """A record from the fields that JSON has of it, which name a schema that is read.

    Raises:      ValueError that names the field that is missing or cannot be.
    """
    for older in range(fields["schema_version"], SCHEMA_VERSION):
        try:
            fields = upgrades[older](fields)
        except KeyError as error:
            raise ValueError(f"{error.args[0]}: Field required") from error
        except (TypeError, AttributeError, LookupError, ValueError) as error:
            raise ValueError(f"is not what schema {older} has: {error}") from error
    try:
        return record.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        wrong = error.errors()[0]
        raise ValueError(": ".join(filter(None, [".".join(map(str, wrong["loc"])), wrong["msg"]]))) from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
