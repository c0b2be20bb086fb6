"""Keras's rules by their codes: torch's, with words of Keras, and a look of their own where layers differ."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from dropnorm.surgery.audit.registry import Look, Rule
from dropnorm.surgery.audit.rules import RULES as OF_TORCH

Function = TypeVar("Function", bound=Look)

RULES: dict[str, Rule] = {}

NO_MEANING = {
    "DN107": "Keras refuses inputs of another number of dimensions itself",
    "DN205": "layers have no modes of their own in Keras",
}
"""Torch's rules that have no meaning in Keras, each with the reason."""


def same_rule(code: str, **words: Any) -> None:
    """Enter torch's rule with the same look; words: what is said otherwise."""
    RULES[code] = _in_words_of_keras(OF_TORCH[code], words)


def rule(code: str, **words: Any) -> Callable[[Function], Function]:
    """Enter a function as what torch's rule of this code looks for in Keras; words: what is said otherwise."""

    def enter(look: Function) -> Function:
        RULES[code] = replace(_in_words_of_keras(OF_TORCH[code], words), look=look)
        return look

    return enter


def new_rule(code: str, **words: Any) -> Callable[[Function], Function]:
    """Enter a function as a rule that torch does not have."""

    def enter(look: Function) -> Function:
        fields: dict[str, Any] = {"code": code, "source": "", "needs": "", "traced": False, "look": look}
        RULES[code] = Rule(**fields | words)
        return look

    return enter


def _in_words_of_keras(rule: Rule, words: dict[str, Any]) -> Rule:
    """Keras says rate for p, and moving for running."""
    said = {name: getattr(rule, name) for name in ("seen", "why", "fix")} | words
    for name in ("seen", "why", "fix"):
        said[name] = re.sub(r"\bp=", "rate=", said[name]).replace("running", "moving")
    return replace(rule, **said)
