"""What columns hold and what they became, in words."""

from dropnorm.study.conclusions.wording import joined
from dropnorm.study.records import ColumnSummary

LEFT_OUT = ("identifier", "text", "constant", "empty", "left out")
"""Kinds of columns that become no feature."""


def what_it_holds(one: ColumnSummary) -> str:
    """Say what is in a column of that kind."""
    held = {
        "number": "numbers",
        "boolean": "true or false",
        "category": f"{one.categories:,} {'category' if one.categories == 1 else 'categories'}",
        "date": "dates",
        "array": f"arrays of {' × '.join(map(str, one.shape))} numbers",
        "text": "texts",
        "identifier": "identifiers",
        "constant": "one value",
        "empty": "no value",
        "left out": "",
    }[one.kind]
    return f"{held}, some missing" if one.has_missing else held


def what_it_became(one: ColumnSummary) -> str:
    """Say what was made of a column, and why nothing was."""
    if one.kind in LEFT_OUT:
        return f"nothing: {one.reason}"
    place = joined([f"the {cycle}" for cycle in one.cycles]) if one.cycles else ""
    became = {
        "number": "the number itself",
        "boolean": "1 where true, 0 where false",
        "category": "a feature for each category",
        "date": f"days since 1970, with sine and cosine of the place in {place}",
        "array": "a feature for each number",
    }[one.kind]
    return f"{became}, and whether it is missing" if one.has_missing else became
