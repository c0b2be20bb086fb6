"""The rules of an audit by their codes: each a function that says what it sees, and the words for it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from dropnorm._validate import closest
from dropnorm.errors import ArgumentError
from dropnorm.surgery.audit.findings import Audit, Finding, Severity

Values = dict[str, float | int | str]
Seen = Iterator[tuple[str, Values]]
Look = Callable[[Any], Seen]  # an Examination, of a model of torch's or of Keras's
Needs = Literal["", "batch", "optimizer", "loader", "history"]
Function = TypeVar("Function", bound=Look)

RULES: dict[str, "Rule"] = {}
"""For models of torch."""
OF_KERAS_ALONE = ("DN109", "DN110", "DN111")
"""Codes of what only a Keras model can be told, since it knows its loss, and its layers their axes."""
_SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Rule:
    """A rule: `look` yields a module's path and the numbers for each thing seen, and `seen` and `fix` are templates of those.

    Args:        needs: what must be given beside the model; traced: whether it looks at how the forward pass goes.
    """

    code: str
    name: str
    severity: Severity
    seen: str
    why: str
    source: str
    fix: str
    needs: Needs
    traced: bool
    look: Look

    def findings(self, examination: Any) -> Iterator[Finding]:
        """What the rule sees of this model."""
        for path, values in self.look(examination):
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                path=path,
                seen=self.seen.format_map(values),
                why=self.why,
                source=self.source,
                fix=self.fix.format_map(values),
                values=values,
            )


def rule(
    code: str,
    name: str,
    severity: Severity,
    *,
    seen: str,
    why: str,
    fix: str,
    source: str = "",
    needs: Needs = "",
    traced: bool = False,
) -> Callable[[Function], Function]:
    """Enter a function as the rule of this code."""

    def enter(look: Function) -> Function:
        assert code not in RULES
        RULES[code] = Rule(code, name, severity, seen, why, source, fix, needs, traced, look)
        return look

    return enter


def chosen(select: Sequence[str] | str | None, ignore: Sequence[str] | str, rules: Mapping[str, Rule]) -> list[Rule]:
    """The rules whose codes are selected, all by default, and not ignored; the beginning of a code stands for all that have it.

    Raises:      ArgumentError for a code that no rule has, in torch or in Keras.
    """
    selected = tuple(rules) if select is None else _codes(select, "select")
    ignored = _codes(ignore, "ignore")
    return [rules[code] for code in sorted(rules) if code in selected and code not in ignored]


def _codes(given: Sequence[str] | str, argument: str) -> list[str]:
    known = (*RULES, *OF_KERAS_ALONE)
    found: list[str] = []
    for prefix in [given] if isinstance(given, str) else given:
        hits = [code for code in known if code.startswith(prefix.upper())] if prefix else []
        if not hits:
            meant = closest(prefix.upper(), known)
            hint = f" Did you mean {meant!r}?" if meant else ""
            raise ArgumentError(
                f"{argument}={prefix!r} is the code of no rule: expected one such as 'DN101', or its beginning, such as 'DN1'."
                f"{hint}"
            )
        found += hits
    return found


def looked_over(name: str, examination: Any, rules: Sequence[Rule], given: Mapping[str, Any], untraced: str) -> Audit:
    """What the rules find in a model of the class of this name.

    Args:        given: by what rules need, what there is of it, or None; untraced: why not all of the forward pass is known,
                 empty if it is.
    """
    found = [finding for rule in rules if not _lacks(rule, given) for finding in rule.findings(examination)]
    needed = {
        rule.code: f"needs {'an' if rule.needs == 'optimizer' else 'a'} {rule.needs}"
        for rule in rules
        if _lacks(rule, given)
    }
    # Rules on how the forward pass goes, where a part of it is not known.
    in_parts = {rule.code: untraced for rule in rules if untraced and rule.traced}
    unique = {(each.code, each.path, each.seen): each for each in found}
    ordered = sorted(unique.values(), key=lambda each: (_SEVERITIES.index(each.severity), each.code))
    return Audit(model=name, findings=tuple(ordered), not_checked=needed | in_parts)


def _lacks(rule: Rule, given: Mapping[str, Any]) -> bool:
    return rule.needs != "" and given[rule.needs] is None
