import inspect
import json

import pytest
from pydantic import ValidationError

import dropnorm.study.records as records
from dropnorm._options import options_of
from dropnorm._record import Record
from dropnorm.study.design import configure, plan_nets
from dropnorm.study.records import Arm, EpochRecord, Interval, StudyConfig, Summary
from dropnorm.study.settings import Settings

RECORDS = [value for value in vars(records).values() if inspect.isclass(value) and issubclass(value, Record)]


def test_a_record_cannot_be_changed():
    interval = Interval(mean=0.5, low=0.4, high=0.6)
    with pytest.raises(ValidationError, match="frozen"):
        interval.mean = 1.0
    assert interval.mean == 0.5


def test_a_field_that_no_record_has_is_an_error():
    with pytest.raises(ValidationError, match="median"):
        Interval(mean=0.5, low=0.4, high=0.6, median=0.5)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_record_is_frozen_and_closed(record):
    assert (record.model_config["frozen"], record.model_config["extra"]) == (True, "forbid")


def test_an_arm_is_told_by_its_parts():
    assert Arm(name="plain").regularizers == ()
    everything = {"dropout": (0.5,), "input_dropout": 0.2, "batch_norm": True, "max_norm": 3.0, "weight_decay": (0.1,)}
    parts = ("dropout", "input_dropout", "batch_norm", "max_norm", "weight_decay")
    assert Arm(name="all", **everything).regularizers == parts
    assert Arm(name="all", where="last", **everything).regularizers == ("last_dropout", *parts[1:])
    assert Arm(name="none", where="last").regularizers == ()


def test_every_choice_of_an_arm_is_a_net_of_each_seed():
    arm = Arm(name="both", dropout=(0.5, 0.1, 0.5), weight_decay=(0.1, 0.01))
    assert arm.choices == ((0.1, 0.01), (0.1, 0.1), (0.5, 0.01), (0.5, 0.1))
    assert Arm(name="plain").choices == ((0.0, 0.0),)
    for given in ({"seeds": 3}, {"splits": 2, "seeds": 3}):
        config = StudyConfig(arms=(Arm(name="plain"), arm), **given)
        assert config.nets == len(plan_nets(config)) == config.repetitions * 5


def test_a_configuration_comes_back_from_what_is_kept_of_it():
    config = configure(arms={"mine": {"dropout": 0.3, "max_norm": 2}}, splits=2, hidden=[3, 4], device="cpu")
    assert StudyConfig.read(json.loads(json.dumps(config.kept()))) == config
    assert config.settings == {name: value for name, value in vars(config).items() if name != "arms"}


def test_a_setting_that_an_older_run_did_not_know_is_what_was_done_then(monkeypatch):
    """A declared default is for new studies; what an older one did without the option is declared beside it."""
    kept = configure(device="cpu").kept()
    del kept["patience"], kept["epochs"]
    assert (StudyConfig.read(kept).patience, StudyConfig.read(kept).epochs) == (10, 100)
    declared = dict(options_of(Settings))
    object.__setattr__(declared["patience"], "before", 7)
    monkeypatch.setattr(records, "options_of", lambda _: declared)
    assert (StudyConfig.read(kept).patience, StudyConfig.read(kept).epochs) == (7, 100)
    assert StudyConfig.read(kept | {"patience": 8}).patience == 8


@pytest.mark.parametrize(
    "changed",
    [{"seedz": 3}, {"seeds": 10**9}, {"hidden": [0]}, {"learning_rate": "NaN"}, {"activation": "rellu"}, {"arms": 3}],
)
def test_a_configuration_that_no_study_can_have_had_is_refused(changed):
    with pytest.raises(ValidationError):
        StudyConfig.read(configure().kept() | changed)


@pytest.mark.parametrize(
    ("net", "unused"), [("conv", set()), ("dense", {"channels"}), ("a:b", {"hidden", "channels", "activation"})]
)
def test_which_settings_a_kind_of_net_has(net, unused):
    config = configure(net=net)
    assert set(config.settings) - set(config.used) == unused


def test_a_summary_comes_back_from_json_to_the_byte(finished):
    text = finished.summary.model_dump_json(indent=2)
    again = Summary.model_validate_json(text)
    assert again == finished.summary
    assert again.model_dump_json(indent=2) == text


@pytest.mark.parametrize("version", [1, 5])
def test_a_summary_of_another_version_is_not_taken_for_one_of_this(version, finished):
    text = finished.summary.model_dump_json().replace('"schema_version":4', f'"schema_version":{version}')
    with pytest.raises(ValidationError, match="schema_version"):
        Summary.model_validate_json(text)


def test_a_summary_holds_no_time_nor_machine(finished):
    text = finished.summary.model_dump_json()
    assert "seconds" not in text
    assert finished.run.timing.processor not in text


def test_an_epoch_is_counted_from_one_in_a_finished_run(finished):
    firsts = {net.net: min(record.epoch for record in epochs_of(finished, net.net)) for net in finished.run.nets}
    assert set(firsts.values()) == {1}


def epochs_of(study, net) -> list[EpochRecord]:
    return [record for record in study.run.epochs if record.net == net]


def test_an_infinite_loss_survives_json():
    record = Interval(mean=float("inf"), low=float("-inf"), high=1.0)
    assert Interval.model_validate_json(record.model_dump_json()) == record
