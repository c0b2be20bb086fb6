"""What docs/conf.py makes of the house's docstrings and of declared options."""

import importlib.util
import inspect
from pathlib import Path

import pytest

import dropnorm as dn
from dropnorm._options import options_of
from dropnorm.study.options import PANELS, StudyOptions

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def conf():
    spec = importlib.util.spec_from_file_location("docs_conf", DOCS / "conf.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(conf):
    """The page on studies as it is built."""
    source = [(DOCS / "study.md").read_text(encoding="utf-8")]
    conf.with_options(None, "study", source)
    return source[0]


def test_every_option_has_a_row_with_what_is_allowed_and_the_default(page):
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| `")
    ]
    rows = {row[0]: row[1:] for row in rows if row[0].rstrip("`").rpartition("`")[0] or row[0].endswith("=`")}
    for option in options_of(StudyOptions).values():
        name = f"`{option.name}=`" + (f", `{option.flag}`" if option.in_words and option.name != "X" else "")
        what, allowed, default = rows[name]
        assert what.startswith(option.help)
        assert (allowed, default) == (option.allowed, option.default_text)
    assert rows["`seeds=`, `--seeds`"][1:] == ["1 to 10,000", "10"]


def test_the_options_are_grouped_by_panels(page):
    places = [page.index(f"| **{panel}** |") for panel in PANELS]
    assert places == sorted(places)


def test_the_arguments_of_run_study_are_listed_one_by_one(conf):
    lines = inspect.getdoc(dn.run_study).splitlines()
    conf.to_fields(None, "function", "run_study", dn.run_study, None, lines)
    items = [line.strip() for line in lines if line.startswith("    - ")]
    assert [item[2:].partition(":")[0].replace("\\", "") for item in items] == list(options_of(StudyOptions))
