import keras
import numpy as np
import pytest
import torch

from dropnorm.random import philox as reference

if keras.backend.backend() == "torch":
    pytest.skip("torch has the native kernels", allow_module_level=True)

from dropnorm.keras import _mask

# Random123's known answers for ten rounds: counter and key, then the words.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter, key, words, tensor, array):
    found = _mask.philox(
        tuple(tensor([word], "uint32") for word in counter), tuple(tensor(k, "uint32") for k in key), 10
    )
    assert tuple(int(array(word)[0]) for word in found) == words


def test_seven_rounds_are_the_reference_s(tensor, array):
    counter = np.random.default_rng(0).integers(0, 2**32, (4, 1000))
    found = _mask.philox(
        tuple(tensor(word, "uint32") for word in counter), (tensor(3, "uint32"), tensor(2**31, "uint32"))
    )
    expected = reference([torch.from_numpy(word) for word in counter], torch.tensor(3 - 2**63))
    for ours, theirs in zip(found, expected, strict=True):
        assert np.array_equal(array(ours), theirs.numpy())
