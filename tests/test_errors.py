import pickle

import pytest

from dropnorm import errors

ERRORS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning)
]
SPECIFIC = [error for error in ERRORS if error is not errors.DropnormError]


def test_there_are_errors_to_look_at():
    assert len(SPECIFIC) >= 7


@pytest.mark.parametrize("error", SPECIFIC, ids=lambda error: error.__name__)
def test_an_error_is_ours_and_one_of_pythons_own(error):
    assert issubclass(error, errors.DropnormError)
    assert [python for python in (ValueError, TypeError, RuntimeError) if issubclass(error, python)] == [
        error.__mro__[2]
    ]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_keeps_its_message_through_a_worker_process(error):
    again = pickle.loads(pickle.dumps(error("p=2 is not a probability.")))
    assert type(again) is error
    assert str(again) == "p=2 is not a probability."


def test_the_base_class_is_none_of_pythons_errors_so_that_it_catches_no_more_than_ours():
    assert errors.DropnormError.__bases__ == (Exception,)
