"""What an audit found: records that go into JSON, and their text."""

import textwrap
from collections.abc import Iterable
from typing import Literal

from dropnorm._record import Record

Severity = Literal["error", "warning", "note"]
_WIDTH = 116


class Finding(Record):
    """One thing that a rule saw.

    Args:        code: the rule's, the same in all versions; name: the rule's, in words; severity: "error" for a model that
                 computes something else than is meant, "warning" for what is known to cost accuracy, "note" for what is
                 useless or a matter of taste; path: of the module, empty for the whole model; seen: what was seen, with its
                 number; why: why it matters; source: where that is shown; fix: what to do; values: the numbers behind `seen`.
    """

    code: str
    name: str
    severity: Severity
    path: str
    seen: str
    why: str
    source: str
    fix: str
    values: dict[str, float | int | str]


class Audit(Record):
    """The findings of an audit, worst first: print it to read them; `findings` to use them; `model_dump_json()` for JSON.

    Args:        model: the class of the model; findings: what was seen; not_checked: the codes of rules that could not look,
                 each with what they would need.
    Example:
        >>> import torch
        >>> import dropnorm as dn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2), torch.nn.Dropout(0.5))
        >>> print(dn.audit(net).table())
        code   severity  module  seen
        DN103  error     3       dropout (p=0.5) after the last layer: outputs themselves are dropped
    """

    model: str
    findings: tuple[Finding, ...]
    not_checked: dict[str, str]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings, each once, in their order."""
        return tuple(dict.fromkeys(finding.code for finding in self.findings))

    @property
    def has_errors(self) -> bool:
        """Whether a finding is an error."""
        return any(finding.severity == "error" for finding in self.findings)

    def table(self) -> str:
        """The findings as a table of text, one line each."""
        rows = [("code", "severity", "module", "seen"), *map(row_of, self.findings)]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ["  ".join([*(row[i].ljust(widths[i]) for i in range(3)), row[3]]) for row in rows]
        return "\n".join(lines)

    def __str__(self) -> str:
        parts = [f"{self.model}: {counted(self.findings)}"]
        for code in self.codes:
            group = [finding for finding in self.findings if finding.code == code]
            parts.append(_paragraph(group))
        if self.not_checked:
            parts.append("\n".join(not_checked(self.not_checked)))
        return "\n\n".join(parts)


def row_of(finding: Finding) -> tuple[str, str, str, str]:
    """A finding as a row of a table."""
    return finding.code, finding.severity, finding.path or "(model)", finding.seen


def counted(findings: Iterable[Finding]) -> str:
    """How many findings of each severity."""
    severities = [finding.severity for finding in findings]
    counts = {name: severities.count(name) for name in ("error", "warning", "note")}
    return ", ".join(f"{n} {name}{'s' * (n > 1)}" for name, n in counts.items() if n) or "nothing found"


def _paragraph(group: list[Finding]) -> str:
    """The findings of one rule: what each saw, then once why it matters and what to do."""
    first = group[0]
    lines = [f"{first.code} {first.severity}: {first.name}"]
    lines += [f"  {finding.path or '(model)'}: {finding.seen}" for finding in group]
    lines += _entry("why", f"{first.why} ({first.source})" if first.source else first.why)
    lines += _entry("fix", first.fix)
    return "\n".join(lines)


def _entry(name: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"  {name}: ", subsequent_indent="       ")


def not_checked(reasons: dict[str, str]) -> list[str]:
    """Sentences on the rules that could not look, one for each reason."""
    grouped: dict[str, list[str]] = {}
    for code, reason in reasons.items():
        grouped.setdefault(reason, []).append(code)
    return [f"Not looked at: {', '.join(codes)} ({reason})." for reason, codes in grouped.items()]
