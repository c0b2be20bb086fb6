"""A plan for a torch module, of what was decided."""

from collections.abc import Sequence
from typing import Any

from dropnorm.surgery.edits import Edit
from dropnorm.surgery.modules.check import check
from dropnorm.surgery.modules.difference import difference
from dropnorm.surgery.modules.reading import Reading
from dropnorm.surgery.modules.rewrite import rewrite
from dropnorm.surgery.notes import Note
from dropnorm.surgery.plan import Plan, sorted_out


def make_plan(reading: Reading, decided: Sequence[Edit | Note], sample: Any) -> Plan:
    """A plan of what was decided, whose outcome has been looked at."""
    edits, notes = sorted_out(decided)
    new = rewrite(reading.model, edits)
    check(reading, new, edits, sample)
    return Plan(reading.model, edits, notes, difference(reading.model, new), rewrite)
