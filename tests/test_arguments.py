import pytest
import torch

import dropnorm as dn
from dropnorm._arguments import checked, told_of
from dropnorm._validate import Whole
from dropnorm.errors import ArgumentError, ArgumentTypeError


@checked(count=Whole(1), limit=Whole(1))
def repeated(text: str, count: int = 2, *, limit: int | None = None) -> str:
    return text * count


def test_arguments_are_checked_and_given_in_their_one_form():
    assert repeated("a", 3) == "aaa"
    assert repeated("a", limit=None) == "aa"
    with pytest.raises(ArgumentError, match="count=0 is too small"):
        repeated("a", count=0)
    with pytest.raises(ArgumentTypeError, match="count=None"):
        repeated("a", None)


@pytest.mark.parametrize(
    ("args", "named", "wrong"),
    [
        ((), {}, "missing a required argument: 'text'"),
        (("a", 1, 2), {}, "too many positional arguments"),
        (("a",), {"cuont": 1}, "got an unexpected keyword argument 'cuont'"),
        (("a",), {"text": "b"}, "multiple values for argument 'text'"),
    ],
)
def test_a_call_of_another_shape_names_the_function_and_what_it_takes(args, named, wrong):
    with pytest.raises(ArgumentTypeError) as refused:
        repeated(*args, **named)
    assert str(refused.value).startswith(f"repeated cannot be called so ({wrong}")
    assert "expected repeated(text: str, count: int = 2" in str(refused.value)


@pytest.mark.parametrize("call", [lambda: dn.audit(), lambda: dn.load_model(), lambda: dn.nn.BatchNorm1d()])
def test_public_functions_and_layers_do_so(call):
    with pytest.raises(ArgumentTypeError, match="missing a required argument"):
        call()


def test_what_a_framework_refuses_is_told_as_its_kind_of_error():
    with pytest.raises(ArgumentTypeError, match="a layer is given what torch refuses"), told_of("torch", "a layer"):
        torch.empty("a")
    with pytest.raises(ArgumentError, match="ValueError: no"), told_of("torch", "a layer"):
        raise ValueError("no")
