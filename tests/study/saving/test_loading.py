"""Models of finished runs, read back: the advised one, another arm's, a single net's, and those that are damaged or old."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load, load_file, save, save_file

from dropnorm.errors import ArgumentError, ArgumentTypeError, RunError
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.splitting import split_rows
from dropnorm.study.saving.loading import load_model
from dropnorm.study.statistics.choice import best_choice, nets_of_choice
from dropnorm.study.task import ACCURACY


def test_the_advised_model_is_that_of_the_study(finished, table):
    model = load_model(finished.folder)
    assert model.description == finished.model.description
    assert model.description.arm.name == finished.summary.advice.arm
    assert model.predict(table).equals(finished.model.predict(table))


def test_an_arms_model_is_the_mean_of_its_nets_at_its_best_rate(finished, table):
    for arm in finished.summary.arms:
        model = load_model(finished.folder, arm.arm)
        choice = best_choice(finished.run.nets, arm.arm, ACCURACY)
        nets = nets_of_choice(finished.run.nets, arm.arm, choice)
        assert [member.net for member in model.description.members] == [net.net for net in nets]
        assert [member.seed for member in model.description.members] == [net.seed for net in nets] == [0, 1]
        assert (model.description.arm.name, model.description.rate) == (arm.arm, nets[0].rate)
        singles = [
            load_model(finished.folder, net=net.net).predict(table).drop("prediction").to_numpy() for net in nets
        ]
        mean = model.predict(table).drop("prediction").to_numpy()
        np.testing.assert_allclose(mean, np.mean(singles, axis=0), atol=1e-6)
    advised = load_model(finished.folder, finished.summary.advice.arm)
    assert advised.predict(table).equals(load_model(finished.folder).predict(table))


def test_every_net_of_the_run_can_be_loaded_by_its_number(finished, table):
    labels = table["kind"].to_numpy()
    dataset = load_dataset(table, target="kind")
    for net in finished.run.nets:
        model = load_model(finished.folder, net=net.net)
        (member,) = model.description.members
        assert (member.net, member.seed) == (net.net, net.seed)
        assert (model.description.arm.name, model.description.rate) == (net.arm, net.rate)
        test = split_rows(dataset, net.seed, finished.summary.config).test
        predicted = model.predict(table[test])["prediction"].to_numpy()
        assert np.mean(predicted == labels[test]) == pytest.approx(net.test_score)


def test_an_arm_or_a_net_that_was_not_studied(finished, refuses):
    message = (
        "arm='dropuot' is unknown: expected one of 'plain', 'dropout', 'batch_norm', 'dropout+batch_norm'. Did you mean "
        "'dropout'?"
    )
    with refuses(ArgumentError, message):
        load_model(finished.folder, "dropuot")
    message = (
        "net=12 is unknown: expected the number of one of the run's nets, from 0 to 11. `dropnorm export --csv` writes them "
        "all, with arm, seed and scores, to nets.csv."
    )
    with refuses(ArgumentError, message):
        load_model(finished.folder, net=12)
    with refuses(ArgumentTypeError, "net='7' is not a whole number: expected an int of at least 0. Use net=7."):
        load_model(finished.folder, net="7")
    message = "arm='plain' and net=0 are both given: expected one of them, as a net is of one arm. Leave one out."
    with refuses(ArgumentError, message):
        load_model(finished.folder, "plain", 0)


def test_a_folder_without_a_model(tmp_path, finished, refuses):
    message = f"{tmp_path}: holds no model. Expected the folder of a finished `dropnorm study` (its --out)."
    with refuses(RunError, message):
        load_model(tmp_path)
    (tmp_path / "model.json").write_bytes((finished.folder / "model.json").read_bytes())
    with refuses(RunError, message):
        load_model(tmp_path)


def copied(finished, folder):
    finished.model.save(folder)
    return folder / "model.json", folder / "model.safetensors"


def with_another_field(text: str) -> bytes:
    return json.dumps(json.loads(text) | {"shape": "round"}).encode()


@pytest.mark.parametrize(
    "spoil", [with_another_field, lambda text: text[:50].encode(), lambda text: b"\xff" + text.encode()]
)
def test_a_description_that_cannot_be_read(spoil, finished, tmp_path):
    path, _ = copied(finished, tmp_path)
    path.write_bytes(spoil(path.read_text()))
    with pytest.raises(
        RunError, match=r"model\.json: is damaged.*\. Start the same `dropnorm study` again: it writes the file"
    ):
        load_model(tmp_path)


def without_a_net(content: bytes) -> bytes:
    return save({name: tensor[:1] for name, tensor in load(content).items()})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:-4],
        lambda _: b"",
        lambda _: save({}),
        lambda _: save({"0.linear.weight": torch.zeros(2, 2)}),
        lambda _: save({"0.linear.weight": torch.zeros(())}),
        without_a_net,
    ],
    ids=["cut off", "empty", "no tensors", "another net's", "a number", "one net is missing"],
)
def test_weights_that_do_not_belong_to_the_description(spoil, finished, tmp_path, refuses):
    path, weights = copied(finished, tmp_path)
    weights.write_bytes(spoil(weights.read_bytes()))
    message = (
        f"{weights}: does not hold the weights of {path}. Start the same `dropnorm study` again: it writes both anew."
    )
    with refuses(RunError, message):
        load_model(tmp_path)


def as_an_older_dropnorm_wrote_it(finished, folder, number: int):
    """The run with a single net, as versions wrote it that kept no other: its state by its own names, and one scale."""
    folder = shutil.copytree(finished.folder, folder)
    model = load_model(finished.folder, net=number)
    fields = json.loads(model.description.model_dump_json(exclude={"weight_decay"}))
    (member,) = fields.pop("members")
    fields |= {"schema_version": 3} | {name: member[name] for name in ("mean", "scale", "target_mean", "target_scale")}
    (folder / "model.json").write_text(json.dumps(fields))
    save_file(
        {name: tensor.contiguous() for name, tensor in model.net.state_dict().items()}, folder / "model.safetensors"
    )
    return folder, model


@pytest.mark.parametrize("arm", ["dropout", "batch_norm"])
def test_the_single_net_of_an_older_dropnorm_predicts_as_it_did(arm, finished, table, tmp_path, refuses):
    number = next(net.net for net in finished.run.nets if net.arm == arm)
    folder, model = as_an_older_dropnorm_wrote_it(finished, tmp_path / "run", number)
    old = load_model(folder)
    assert len(old.nets) == 1
    assert old.predict(table).equals(model.predict(table))
    old.save(tmp_path)
    assert load_model(tmp_path).predict(table).equals(model.predict(table)), "written anew it is read as any other"
    message = (
        f"{folder}: was finished by a dropnorm that kept the recommended net only. Start the same `dropnorm study` again: it "
        f"keeps those of all arms, without training anew."
    )
    with refuses(RunError, message):
        load_model(folder, "plain")
    with refuses(RunError, message):
        load_model(folder, net=number)


def test_weights_are_kept_with_a_dimension_for_the_net(finished):
    tensors = load_file(finished.folder / "model.safetensors")
    assert {tensor.shape[0] for tensor in tensors.values()} == {2}
    first = finished.model.nets[0].state_dict()["0.weight"]
    assert torch.equal(tensors["0.linear.weight"][0], first.T)


def test_predictions_of_a_file_need_nothing_of_the_run_but_the_model(finished, table, tmp_path):
    copied(finished, tmp_path)
    assert load_model(tmp_path).predict(table).equals(finished.model.predict(table))
    assert isinstance(load_model(tmp_path).predict(table), pl.DataFrame)


def first_member(fields, **changes):
    fields["members"][0] |= changes


MISFITS = {
    "mean=[1.0]": lambda fields: first_member(fields, mean=[1.0]),
    "scale of zeros": lambda fields: first_member(fields, scale=[0.0] * len(fields["members"][0]["scale"])),
    "negative scale": lambda fields: first_member(fields, scale=[-1.0] * len(fields["members"][0]["scale"])),
    "NaN mean": lambda fields: first_member(fields, mean=[float("nan")] * len(fields["members"][0]["mean"])),
    "target_scale": lambda fields: first_member(fields, target_scale=0.0),
    "no members": lambda fields: fields.update(members=[]),
    "one class": lambda fields: fields["encoding"].update(classes=["ant"]),
    "a class twice": lambda fields: fields["encoding"].update(classes=["ant", "ant", "cat"]),
    "more classes": lambda fields: fields["encoding"].update(classes=["ant", "bee", "cat", "dog"]),
    "no columns": lambda fields: fields["encoding"].update(columns=[]),
    "another task": lambda fields: fields["encoding"].update(task="regression"),
    "huge widths": lambda fields: fields["architecture"].update(hidden=[30000, 30000]),
    "absurd widths": lambda fields: fields["architecture"].update(hidden=[10**30]),
    "a width of 0": lambda fields: fields["architecture"].update(hidden=[0]),
    "a million layers": lambda fields: fields["architecture"].update(hidden=[8] * 10**6),
    "other features": lambda fields: fields["architecture"].update(features=5),
    "an image": lambda fields: fields["architecture"].update(image=[1, 28, 28]),
    "convolutions": lambda fields: fields["architecture"].update(channels=[3, 3]),
    "a rate above 1": lambda fields: fields.update(rate=7.0),
    "a rate that is NaN": lambda fields: fields.update(rate=float("nan")),
    "nested": lambda fields: fields.update(rate=json.loads("[" * 900 + "]" * 900)),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("spoil", MISFITS.values(), ids=MISFITS)
def test_a_description_that_does_not_fit_its_weights(spoil, finished, tmp_path):
    path, _ = copied(finished, tmp_path)
    fields = json.loads(path.read_text())
    spoil(fields)
    path.write_text(json.dumps(fields))
    with pytest.raises(RunError, match=r"model\.json") as refused:
        load_model(tmp_path)
    assert len(str(refused.value)) < 1000


def test_a_description_that_is_nested_without_end(finished, tmp_path):
    path, _ = copied(finished, tmp_path)
    path.write_text("[" * 10**6)
    with pytest.raises(RunError, match=r"model\.json: is damaged"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_a_model_that_is_a_link_is_refused(name, finished, tmp_path):
    copied(finished, tmp_path)
    (tmp_path / name).rename(tmp_path / "other")
    (tmp_path / name).symlink_to(tmp_path / "other")
    with pytest.raises(RunError, match="is a symbolic link, where a run has a file"):
        load_model(tmp_path)
