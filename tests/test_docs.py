"""What the documentation shows is what happens: docstrings' examples, Python blocks and command lines."""

import doctest
import importlib
import pkgutil
import re
import shlex
import sys
import types
from pathlib import Path

import pytest
import typer

import dropnorm
from dropnorm import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_RUN = "<!-- not run -->"
FENCE = re.compile(
    rf"^(?P<skip>{NOT_RUN}\s*\n)?(?P<indent>[ ]*)```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^(?P=indent)```[ ]*$",
    re.M | re.S,
)

MODULES = ["dropnorm", *(module.name for module in pkgutil.walk_packages(dropnorm.__path__, "dropnorm."))]


class EntryParser(doctest.DocTestParser):
    """An example ends where the docstring's next entry begins, even without an empty line between them."""

    ENTRY = re.compile(r"^(?=[ ]*(?:Equation|Shape|Args|State|Numerics|Randomness|Raises|Source|See also):)", re.M)

    def parse(self, string, name="<string>"):
        return super().parse(self.ENTRY.sub("\n", string), name)


class ExampleFinder(doctest.DocTestFinder):
    """A decorated function belongs to the module that it names, whichever one made the decorator."""

    def _from_module(self, module, object):
        return getattr(object, "__module__", None) == module.__name__ or super()._from_module(module, object)


def examples(module: str) -> list[doctest.DocTest]:
    found = ExampleFinder(parser=EntryParser()).find(importlib.import_module(module))
    return [test for test in found if test.examples]


def blocks(page: Path, *languages: str) -> list[tuple[int, str]]:
    """The blocks of a page that are to be run, each with the line of its first line of code."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, block.start("code")) + 1, block["code"])
        for block in FENCE.finditer(text)
        if block["language"] in languages and not block["skip"]
    ]


def commands(page: Path) -> list[tuple[int, list[str]]]:
    """The `dropnorm` command lines of a page's shell blocks, each with its line."""
    found = []
    for first, code in blocks(page, "bash", "sh", "shell", "console"):
        joined = code.replace("\\\n", "  ")
        for number, line in enumerate(joined.splitlines()):
            words = shlex.split(line.strip().removeprefix("$ "), comments=True)
            if words[:1] == ["dropnorm"]:
                found.append((first + number, words[1:]))
    return found


def parse(words: list[str]) -> typer.Context:
    """Parse a command line without running it."""
    group = typer.main.get_command(cli.app)
    context = group.make_context("dropnorm", list(words))
    name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    return command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_docstrings(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner()
    for test in examples(module):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
    assert list(tmp_path.iterdir()) == [], "an example leaves nothing behind"


def test_there_are_examples_in_docstrings():
    names = {test.name for module in MODULES for test in examples(module)}
    assert {"dropnorm.study.run.run_study", "dropnorm.random.keep_mask", "dropnorm.nn.dropout.Dropout"} <= names


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_the_python_of_a_page_runs_block_after_block(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # As a script has it: a function that a page defines is found again by its name.
    script = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", script)
    for line, code in blocks(page, "python"):
        # Blank lines before it, so that a traceback has the page's line.
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), vars(script))


@pytest.mark.parametrize(
    ("page", "line", "words"),
    [(page, line, words) for page in PAGES for line, words in commands(page)],
    ids=lambda value: value.name if isinstance(value, Path) else str(value) if isinstance(value, int) else "",
)
def test_a_command_line_of_a_page_parses(page, line, words):
    parse(words)


@pytest.mark.parametrize(
    "words", [["stduy"], ["study", "--nonsense"], ["study", "iris", "wine"], ["study", "--seeds", "x"]]
)
def test_a_command_line_that_does_not_parse_is_noticed(words):
    with pytest.raises(Exception, match=r"(?i)no such (command|option)|unexpected extra|valid integer"):
        parse(words)


def test_blocks_and_command_lines_are_found_where_they_are(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n\n```python\na = 1\n```\n\n<!-- not run -->\n\n```python\nb = a / 0\n```\n\n```python\nc = a\nd = c\n```\n"
        "\n```bash\n$ dropnorm study iris \\\n    --seeds 3  # few\nmake study\ndropnorm report x\n```\n"
    )
    assert blocks(page, "python") == [(4, "a = 1\n"), (14, "c = a\nd = c\n")]
    assert [words for _, words in commands(page)] == [["study", "iris", "--seeds", "3"], ["report", "x"]]
