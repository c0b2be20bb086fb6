"""Which version of dropnorm wrote a file, and what to do where it was another one than this."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from dropnorm._record import Record
from dropnorm.errors import RunError
from dropnorm.study.records import SCHEMA_VERSION

AnyRecord = TypeVar("AnyRecord", bound=Record)


def check_schema(path: Path | None, schema: object) -> None:
    """Refuse a file of another schema than this version's.

    Raises:      RunError that says whether a newer or an older dropnorm wrote it, and what to do.
    """
    if schema == SCHEMA_VERSION:
        return
    if not isinstance(schema, int):
        raise RunError(
            f"{path}: names no schema, so that dropnorm did not write it. Use another --out, or remove the file."
        )
    if schema > SCHEMA_VERSION:
        raise RunError(
            f"{path}: was written by a newer dropnorm (schema {schema}, where this one reads {SCHEMA_VERSION}). Upgrade with "
            f"pip install --upgrade dropnorm, or use another --out."
        )
    raise RunError(
        f"{path}: was written by an older dropnorm (schema {schema}, where this one reads {SCHEMA_VERSION}). Use the version "
        f"that wrote it, or study again with another --out."
    )


def read_record(path: Path, record: type[AnyRecord], remedy: str) -> AnyRecord:
    """A record from its JSON file.

    Args:        remedy: what to do about a file that is damaged.
    Raises:      RunError for one of another version, and for a damaged one.
    """
    content = path.read_bytes()
    try:
        fields = json.loads(content)
        schema = fields["schema_version"]
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path}: is damaged. {remedy}") from error
    check_schema(path, schema)
    try:
        return record.model_validate_json(content)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(map(str, wrong["loc"]))
        raise RunError(f"{path}: is damaged ({where}: {wrong['msg']}). {remedy}") from error
