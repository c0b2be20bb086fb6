import pytest

from dropnorm._user_code import exits_told
from dropnorm.errors import UserCodeError


class Stop(BaseException):
    pass


def raised(error):
    with exits_told("net='nets:f'"):
        raise error


def test_what_would_end_the_program_is_told_with_its_place():
    with pytest.raises(
        UserCodeError, match=r"^net='nets:f' calls sys.exit\(3\), which would end the program: "
    ) as told:
        raised(SystemExit(3))
    assert str(told.value).endswith("    raise error")
    assert isinstance(told.value.__cause__, SystemExit)
    with pytest.raises(UserCodeError, match=r"^net='nets:f' raises Stop, "):
        raised(Stop())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), ValueError("3"), UserCodeError("told")])
def test_what_is_caught_elsewhere_is_left_alone(error):
    with pytest.raises(type(error)) as left:
        raised(error)
    assert left.value is error
