"""Torch's rules in words of Keras."""

from dropnorm.surgery.audit.rules import RULES as OF_TORCH
from dropnorm.surgery.keras.audit.rules import RULES


def test_codes_and_names_are_the_same_and_looks_shared_where_they_can_be():
    for code in set(RULES) & set(OF_TORCH):
        assert (RULES[code].code, RULES[code].name) == (code, OF_TORCH[code].name)
    shared = {code for code in RULES if code in OF_TORCH and RULES[code].look is OF_TORCH[code].look}
    assert shared == {"DN101", "DN124", "DN125", "DN222", "DN223", "DN302", "DN303", "DN311", "DN312"}


def test_words():
    assert "rate={p:g}" in RULES["DN101"].seen
    assert "p={p:g}" in OF_TORCH["DN101"].seen
    assert RULES["DN303"].why.startswith("The moving variance is learned")
    assert RULES["DN124"].fix == "Use a rate below 1, such as rate=0.5. To keep 80 % of the units use rate=0.2."
    assert RULES["DN111"].source
