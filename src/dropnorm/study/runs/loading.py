"""A finished run read back from its folder. Nothing here imports torch."""

from contextlib import closing
from pathlib import Path

from dropnorm._arguments import checked
from dropnorm._constraints import FilePath
from dropnorm.errors import RunError
from dropnorm.study.older_schemas import summary_from_3
from dropnorm.study.records import Beginning, Run, Summary, Timing
from dropnorm.study.runs.store import STORE_NAME, Store
from dropnorm.study.schema import read_record

SUMMARY_NAME = "summary.json"


@checked(folder=FilePath("the folder of a run"))
def load_run(folder: str | Path) -> Run:
    """Read a finished run from its folder, without torch.

    Raises:      RunError if there is no run, it is not finished, it is damaged, or another version wrote it.
    """
    folder = Path(folder)
    path = folder / STORE_NAME
    if not path.exists():
        raise RunError(f"{folder}: holds no study. Expected the folder that `dropnorm study` wrote (its --out).")
    if not (folder / SUMMARY_NAME).exists():
        raise RunError(f"{folder}: its study is not finished. Start the same `dropnorm study` again, and it goes on.")
    summary = load_summary(folder)
    with closing(Store(path, read_only=True)) as store:
        return Run(
            summary=summary,
            nets=store.nets(),
            epochs=store.epochs(),
            curve_nets=store.curve_nets(),
            unit_inputs=store.unit_inputs(),
            pictures=store.pictures(),
            beginning=store.get_record("begun", Beginning),
            timing=store.get_record("timing", Timing),
            command=store.get_text("command"),
        )


def load_summary(folder: Path) -> Summary:
    """The summary of a finished run.

    Raises:      RunError for a damaged one, or one of another version.
    """
    remedy = "Start the same `dropnorm study` again: it writes the file anew."
    return read_record(folder / SUMMARY_NAME, Summary, remedy, {3: summary_from_3})
