"""Kinds of nets: which the trainer is given, and how many at a time."""

from torch import nn

from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.design import configure, plan_nets
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.factory import factory_name
from dropnorm.study.modules.nets import ModuleNets
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.training.kinds import blocks_of, kind_of, shape_of_nets


def small(features, outputs):
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, outputs))


def test_nets_of_a_factory_train_one_by_one_and_others_together(blobs):
    data = load_dataset(*blobs())
    for net, kind, nets, largest in (
        ("dense", Architecture, BatchedNets, 20),
        (factory_name(small), ModuleArchitecture, ModuleNets, 1),
    ):
        config = configure(net=net, seeds=2)
        shape = shape_of_nets(data.encoding, config)
        assert isinstance(shape, kind)
        trained = kind_of(shape)
        blocks = blocks_of(plan_nets(config), trained, config.batch_size)
        assert sum(map(len, blocks)) == len(plan_nets(config))
        assert (max(map(len, blocks)) == 1) == (largest == 1)
        assert isinstance(trained.initial(blocks[0], "cpu"), nets)
