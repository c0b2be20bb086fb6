import numpy as np
import pytest
import torch
from torch import nn

import dropnorm as dn
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


class Ending(nn.Module):
    """A model whose forward pass ends in an error of a user."""

    def __init__(self, error):
        super().__init__()
        self.linear, self.norm, self.drop = nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)
        self.error = error

    def forward(self, x):
        if self.error is not None:
            raise self.error
        return self.drop(self.norm(self.linear(x)))


class EndingArray:
    """An array that ends the program when it is read."""

    def __init__(self, error):
        self.error = error

    def __array__(self, *_, **__):
        raise self.error


class EndingBatches:
    """A loader that ends the program behind its first batch."""

    def __init__(self, error):
        self.error = error

    def __iter__(self):
        yield torch.randn(4, 3)
        raise self.error


ERRORS = []


def ending_net(features, outputs):
    """A factory of nets that end in the last of the errors."""
    del features, outputs
    return Ending(ERRORS[-1])


def study_of_ending_nets(error):
    ERRORS.append(error)
    return dn.run_study("iris", seeds=2, epochs=1, net=ending_net)


def progress_of(error):
    def show(_):
        raise error

    return show


SAMPLE = torch.randn(8, 3)
CALLS = {
    "audit": lambda error: dn.audit(Ending(error), SAMPLE),
    "fold": lambda error: dn.fold(Ending(error), sample=SAMPLE),
    "fuse": lambda error: dn.fuse(Ending(error), sample=SAMPLE),
    "mc_predict": lambda error: dn.mc_predict(Ending(error), SAMPLE),
    "recalibrate": lambda error: dn.recalibrate(Ending(None), EndingBatches(error)),
    "run_study": lambda error: dn.run_study(EndingArray(error), [0, 1] * 20),
    "run_study's progress": lambda error: dn.run_study(
        "iris", seeds=2, epochs=1, hidden=(4,), arms="dropout", progress=progress_of(error)
    ),
    "run_study's net": study_of_ending_nets,
    "predict": lambda error: _model().predict(EndingArray(error)),
}


def _model():
    return dn.run_study(
        np.random.default_rng(0).normal(size=(40, 2)), [0, 1] * 20, seeds=2, epochs=1, hidden=(4,)
    ).model


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("error", [SystemExit(7), Stop("out")], ids=["sys.exit", "BaseException"])
def test_public_functions_tell_of_users_code_that_ends_the_program(call, error):
    with pytest.raises(UserCodeError, match="which would end the program: expected code that returns") as told:
        call(error)
    assert repr(told.value.__cause__) == repr(error)
    assert "raise " in str(told.value)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_public_functions_leave_an_interruption_alone(call):
    with pytest.raises(KeyboardInterrupt):
        call(KeyboardInterrupt())
