"""The README's picture: the report of a study of the bundled digits at default settings, as a browser shows it.

Beside the picture it keeps the study's summary and the table of arms, with which a test holds the picture against what a study
says today, and it puts the verdict into the README. `make picture` runs it; it needs chromium on the PATH.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import dropnorm as dn
from dropnorm.report import write_report
from dropnorm.report.tables import arm_table
from dropnorm.study.records import Summary

HERE = Path(__file__).parent
PICTURE, SHOWN, README = HERE / "report.png", HERE / "report.json", HERE.parent.parent / "README.md"
SIZE = "1060,1500"
VERDICT = re.compile(r"(?<=<!-- the verdict of docs/images/report\.json -->\n\n)(?:>.*\n)+")


def shown(summary: Summary) -> dict[str, Any]:
    """What the picture shows of a study, and all that it was made from."""
    table = arm_table(summary)
    return {
        "table": [[column.header for column in table.columns], *map(list, table.rows)],
        "summary": summary.model_dump(mode="json"),
    }


def quoted(verdict: tuple[str, ...]) -> str:
    """The verdict as the README quotes it."""
    return ">\n".join(f"> {sentence}\n" for sentence in verdict)


def main() -> int:
    """Study, draw, take the picture, and write what it shows beside it and into the README."""
    study = dn.run_study("digits")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        write_report(study.run, page)
        take_picture(page, PICTURE, Path(folder) / "profile")
    SHOWN.write_text(json.dumps(shown(study.summary), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text, found = VERDICT.subn(lambda _: quoted(study.summary.verdict), README.read_text(encoding="utf-8"))
    README.write_text(text, encoding="utf-8")
    return 0 if found == 1 else 1


def take_picture(page: Path, picture: Path, profile: Path) -> None:
    """Have a browser load a page and write the top of it as a picture."""
    subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--hide-scrollbars",
            "--blink-settings=preferredColorScheme=1",
            f"--user-data-dir={profile}",
            "--virtual-time-budget=10000",
            f"--window-size={SIZE}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=180,
    )


if __name__ == "__main__":
    sys.exit(main())
