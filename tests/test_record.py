import pytest
from pydantic import ValidationError

from dropnorm._record import Record


class Pair(Record):
    left: float
    right: float = 0.0


def test_a_record_stays_as_it_is_and_knows_its_fields():
    pair = Pair(left=1.0)
    with pytest.raises(ValidationError, match="frozen"):
        pair.left = 2.0
    with pytest.raises(ValidationError, match="middle"):
        Pair(left=1.0, middle=2.0)


def test_infinity_survives_json():
    assert Pair.model_validate_json(Pair(left=float("inf")).model_dump_json()) == Pair(left=float("inf"))
