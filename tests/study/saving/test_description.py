"""What is kept of a model beside its weights: written, read, and read from what older versions wrote."""

import json
import math

import numpy as np
import pytest

from dropnorm.errors import RunError
from dropnorm.study.older_schemas import model_from_3
from dropnorm.study.saving.description import ModelDescription
from dropnorm.study.schema import read_record, record_of


def test_a_description_comes_back_from_json(description_of):
    description = description_of("dropout")
    again = ModelDescription.model_validate_json(description.model_dump_json())
    assert again == description
    assert not again.of_older_version
    assert again.members[1].scale[3] == math.inf


def test_a_member_standardizes_by_its_own_mean_and_scale(description_of):
    first, second, _ = (member.standardization for member in description_of().members)
    x = np.array([[1.1, 4.0, math.nan, 7.0]])
    np.testing.assert_allclose(first.apply(x), [[1.1, 2.0, 0.0, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(second.apply(x), [[1.0, 4.0 / 3.0, 0.0, 0.0]], rtol=1e-6)


def test_the_single_net_of_an_older_dropnorm_is_a_model_of_one_member(description_of):
    new = json.loads(description_of("dropout", count=1).model_dump_json())
    (member,) = new.pop("members")
    del new["weight_decay"]
    old = (
        new | {"schema_version": 3} | {name: member[name] for name in ("mean", "scale", "target_mean", "target_scale")}
    )
    read = record_of(old, ModelDescription, {3: model_from_3})
    expected = description_of("dropout", count=1).members[0].model_copy(update={"net": None, "seed": None})
    assert read.of_older_version
    assert (read.members, read.rate, read.weight_decay) == ((expected,), 0.3, 0.0)


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        (lambda fields: fields | {"members": []}, "Value error, members is empty: expected at least one net"),
        (
            lambda fields: fields | {"members": [fields["members"][0] | {"mean": [1.0]}]},
            "Value error, the mean of members[0] is not of 4 features",
        ),
        (
            lambda fields: fields | {"members": [*fields["members"][:1], fields["members"][1] | {"scale": []}]},
            "Value error, the scale of members[1] is not of 4 features",
        ),
    ],
    ids=["none", "mean", "scale"],
)
def test_members_that_do_not_fit_are_refused(spoil, wrong, description_of, tmp_path, refuses):
    path = tmp_path / "model.json"
    path.write_text(json.dumps(spoil(json.loads(description_of().model_dump_json()))))
    with refuses(RunError, f"{path}: is damaged ({wrong}). Study again."):
        read_record(path, ModelDescription, "Study again.", {})
