"""The doctor on architectures that people use: what it finds has a reason, and what it makes computes the same."""

import copy
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import dropnorm as dn

sys.path.insert(0, str(Path(__file__).parent))
from architectures import VGG, DenseNet121, ResNet18

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")


def hugging_face(name, **config):
    """A model of transformers' definitions, of a small configuration, with random weights."""
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    settings = getattr(transformers, f"{name.partition('For')[0].removesuffix('LMHeadModel')}Config")(**config)
    return getattr(transformers, name)(settings)


STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [2, 2, 2, 2]}
TEXT = {"vocab_size": 99, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96}
VISION = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 96}
GPT = {"vocab_size": 99, "n_embd": 48, "n_layer": 2, "n_head": 3, "bos_token_id": 1, "eos_token_id": 1}


def images(rows=16, size=32):
    return torch.randn(rows, 3, size, size)


# How each is made, what it takes, and what the doctor finds: as the table in docs/doctor.md explains.
MODELS = {
    "VGG-16-BN": (lambda: VGG(divisor=8), images, ("DN102",)),
    "ResNet-18": (lambda: ResNet18(10, width=8), images, ()),
    "DenseNet-121": (lambda: DenseNet121(10, growth=4), images, ()),
    "DenseNet-121, dropout 0.2": (lambda: DenseNet121(10, growth=4, dropout=0.2), images, ("DN101", "DN106")),
    "transformers ResNet-18": (
        lambda: hugging_face("ResNetForImageClassification", embedding_size=8, layer_type="basic", **STAGES),
        images,
        (),
    ),
    "transformers RegNet": (
        lambda: hugging_face("RegNetForImageClassification", embedding_size=8, groups_width=4, **STAGES),
        images,
        (),
    ),
    "transformers MobileNetV2": (
        lambda: hugging_face("MobileNetV2ForImageClassification", depth_multiplier=0.25, image_size=32),
        images,
        ("DN121", "DN125"),
    ),
    "transformers EfficientNet-b0": (
        lambda: hugging_face(
            "EfficientNetForImageClassification",
            width_coefficient=0.25,
            depth_coefficient=1.0,
            hidden_dim=320,
            dropout_rate=0.2,
        ),
        images,
        ("DN121", "DN106", "DN122"),
    ),
    "transformers ConvNeXt": (
        lambda: hugging_face("ConvNextForImageClassification", **STAGES),
        images,
        (),
    ),
    "transformers ViT": (
        lambda: hugging_face("ViTForImageClassification", image_size=32, patch_size=8, **VISION),
        images,
        (),
    ),
    "transformers BERT": (
        lambda: hugging_face("BertForSequenceClassification", **TEXT),
        lambda: {"input_ids": torch.randint(0, 99, (16, 12))},
        (),
    ),
    "transformers GPT-2": (
        lambda: hugging_face("GPT2LMHeadModel", **GPT),
        lambda: {"input_ids": torch.randint(0, 99, (16, 12))},
        (),
    ),
}


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


def made(name):
    """The model, its batch norms moved by two batches, and a batch."""
    torch.manual_seed(1)
    make, batch, _ = MODELS[name]
    model, sample = make(), batch()
    for _ in range(2):
        outputs(model.train(), batch())
    return model, sample


@torch.no_grad()
def outputs(model, sample):
    value = model(**sample) if isinstance(sample, dict) else model(sample)
    return value if isinstance(value, torch.Tensor) else value.logits


def norms(model):
    return {path: module for path, module in model.named_modules() if isinstance(module, _BatchNorm)}


def test_what_is_found_is_explained(name):
    make, batch, expected = MODELS[name]
    model = make()
    # At the ends of networks made small, images are of one pixel: 16 values per channel are enough.
    assert dn.audit(model, batch(), ignore="DN223").codes == expected
    assert dn.audit(model).codes == expected
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {name} |")]
    assert all(code in row for code in expected) if expected else row.startswith(f"| {name} | nothing |")


def test_a_folded_model_predicts_the_same(name):
    model, sample = made(name)
    receipt = dn.fold(model, sample=sample)
    expected, got = outputs(model.eval(), sample), outputs(receipt.model, sample)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    left = len(norms(receipt.model))
    # Of a DenseNet's only those that take joined features stay: they stand before an activation.
    assert left == (62 if "DenseNet" in name else 0)
    assert len(receipt.notes) == left


def test_a_fused_model_is_the_same(name):
    model, sample = made(name)
    fused = dn.fuse(model, sample=sample).model
    assert not any(type(module) in (nn.BatchNorm2d, nn.Dropout) for module in fused.modules())
    assert fused.state_dict().keys() == model.state_dict().keys()
    expected, got = outputs(model.eval(), sample), outputs(fused.eval(), sample)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["VGG-16-BN", "ResNet-18", "transformers RegNet"])
def test_recalibrated_statistics_are_those_of_a_two_pass_computation_in_float64(name):
    model, sample = made(name)
    exact = copy.deepcopy(model).double().eval()
    order = []
    hooks = [norm.register_forward_hook(lambda module, *_: order.append(module)) for norm in norms(exact).values()]
    outputs(exact, sample.double())
    for hook in hooks:
        hook.remove()
    for norm in order:
        seen = []
        hook = norm.register_forward_pre_hook(lambda _, arguments, seen=seen: seen.append(arguments[0]))
        outputs(exact, sample.double())
        hook.remove()
        norm.running_mean.copy_(seen[0].mean((0, 2, 3)))
        norm.running_var.copy_(seen[0].var((0, 2, 3)))
    dn.recalibrate(model, list(sample.split([10, 6])))
    for path, norm in norms(model).items():
        wanted = exact.get_submodule(path)
        # float32 rounds at each of some twenty layers.
        scale = float(wanted.running_var.max().sqrt())
        torch.testing.assert_close(norm.running_mean.double(), wanted.running_mean, rtol=1e-4, atol=1e-4 * scale)
        torch.testing.assert_close(norm.running_var.double(), wanted.running_var, rtol=1e-3, atol=1e-4 * scale**2)
