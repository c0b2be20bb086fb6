"""What all records are made of."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of all records: immutable, and an unknown field is an error. JSON keeps infinity as a text.

    A record's checks are built when they are first needed, since a command line that shows its help needs none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", defer_build=True)
