"""The rules of an audit by their codes: each a function that says what it sees, and the words for it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from dropnorm._validate import closest
from dropnorm.errors import ArgumentError
from dropnorm.surgery.audit.examination import Examination
from dropnorm.surgery.audit.findings import Finding, Severity

Values = dict[str, float | int | str]
Seen = Iterator[tuple[str, Values]]
Look = Callable[[Examination], Seen]
Needs = Literal["", "batch", "optimizer", "loader", "history"]
Function = TypeVar("Function", bound=Look)

RULES: dict[str, "Rule"] = {}


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

    def findings(self, examination: Examination) -> Iterator[Finding]:
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


def chosen(select: Sequence[str] | str | None, ignore: Sequence[str] | str) -> list[Rule]:
    """The rules whose codes are selected, all by default, and not ignored; the beginning of a code stands for all that have it.

    Raises:      ArgumentError for a code that no rule has.
    """
    selected = tuple(RULES) if select is None else _codes(select, "select")
    ignored = _codes(ignore, "ignore")
    return [RULES[code] for code in sorted(RULES) if code in selected and code not in ignored]


def _codes(given: Sequence[str] | str, argument: str) -> list[str]:
    found: list[str] = []
    for prefix in [given] if isinstance(given, str) else given:
        hits = [code for code in RULES if code.startswith(prefix.upper())] if prefix else []
        if not hits:
            meant = closest(prefix.upper(), RULES)
            hint = f" Did you mean {meant!r}?" if meant else ""
            raise ArgumentError(
                f"{argument}={prefix!r} is the code of no rule: expected one such as 'DN101', or its beginning, such as 'DN1'."
                f"{hint}"
            )
        found += hits
    return found
