import errno
import html
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from plotly.offline import get_plotlyjs

from dropnorm.errors import RunError, StorageError
from dropnorm.report import write_report
from dropnorm.report.arm_styles import PLAIN
from dropnorm.study.records import Arm, CurvePoint, Interval

HOSTILE = """</script><script>document.body.id="owned"</script><img src=x onerror=alert(1)>'&amp;"""


class Page(HTMLParser):
    """The tags of a page, and its text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.inside = [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, _):
        self.inside = None

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.text += data

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def render(tmp_path_factory):
    """Write the report of a run, and give its text without plotly's own."""

    def write(run):
        path = tmp_path_factory.mktemp("report") / "report.html"
        write_report(run, path)
        text = path.read_text(encoding="utf-8")
        bundle = get_plotlyjs()
        assert text.count(bundle) == 1
        return text.replace(bundle, "")

    return write


@pytest.fixture(scope="module")
def text(render, make_run):
    return render(make_run())


@pytest.fixture(scope="module")
def hostile(render, make_run):
    classes = tuple(f"{HOSTILE}{i}" for i in range(3))
    return render(make_run(name=HOSTILE, target=HOSTILE, classes=classes))


def test_the_page_asks_the_network_for_nothing(text):
    page = Page(text)
    addresses = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "href", "action", "poster", "xlink:href")
    ]
    assert addresses[0] == "data:,"
    signs = {f"#{symbol['id']}" for symbol in page.all("symbol")}
    elsewhere = [address for address in addresses[1:] if address not in signs]
    assert len(elsewhere) == 2
    assert all(address.startswith("data:image/png;base64,") for address in elsewhere)
    assert not re.search(r"https?://|@import|url\(|import\(|\bfetch\(|//cdn", text)


def test_the_page_forbids_requests_by_its_own_policy(text):
    (policy,) = [meta["content"] for meta in Page(text).all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "*" not in policy


def test_the_sections_come_in_order_after_the_verdict(text, make_run):
    verdict = make_run().summary.verdict
    places = [
        text.index(part)
        for part in (
            "<h1>digits</h1>",
            *verdict,
            "<b>1,797</b>",
            "<table>",
            'data-section="loss"',
            'data-section="score"',
            'data-section="gap"',
            'data-section="differences"',
            'data-section="reliability"',
            'data-section="rates"',
            'data-section="outputs"',
            'data-section="activity"',
            'data-section="bands"',
            "What the first layer looks for",
            'data-section="masks"',
            "Do they work better together?",
            "95 % interval −1.0 to +0.2 pp",
            "How this was made",
        )
    ]
    assert places == sorted(places)


def test_every_cell_of_the_table_is_on_the_page_and_one_arm_is_advised(text, make_run):
    page = Page(text)
    assert [row for row in page.all("tr") if row.get("class") == "marked"] == [{"class": "marked"}]
    marked = text[text.index('<tr class="marked">') :]
    assert Page(marked[: marked.index("</tr>")]).text.split()[0] == "dropout+batch_norm"
    assert "advised" in marked[: marked.index("</tr>")]
    # Arms, effects, what choosing flatters, columns
    assert len(page.all("td")) == 4 * 6 + 3 * 4 * 6 + 2 * 3 + 1 * 3
    assert {cell["data-label"] for cell in page.all("td")} >= {"test accuracy, %", "p (Holm)"}


def test_every_arm_has_its_own_sign_in_tables_keys_and_headings(render, make_run):
    run = make_run()
    config, results = run.summary.config, run.summary.arms
    more = [f"arm {number}" for number in range(20)]
    arms = (*config.arms, *(Arm(name=name, max_norm=3.0) for name in more))
    renamed = run.summary.model_copy(
        update={
            "config": replace(config, arms=arms),
            "arms": (*results, *(results[2].model_copy(update={"arm": name}) for name in more)),
        }
    )
    page = render(run.model_copy(update={"summary": renamed}))
    signs = re.findall(r'<symbol id="(arm-\d+)".*?</symbol>', page, re.S)
    assert signs == [f"arm-{number}" for number in range(24)]
    drawn = re.findall(r"<symbol .*?</symbol>", page, re.S)
    assert len({re.sub(r"id=\S+", "", symbol) for symbol in drawn}) == 24, "without their colours, too"
    for arm, sign in (("plain", "arm-0"), ("dropout", "arm-1")):
        use = f'<svg class="swatch {sign}" aria-hidden="true"><use href="#{sign}"/></svg><span>{arm}'
        assert page.count(use) >= 5


def test_the_page_tells_when_the_study_was_made(text, render, make_run):
    page = Page(text)
    assert "dropnorm study of 2026-03-01" in page.text
    assert "2026-03-01 23:30 UTC" in page.text
    assert "2026-03-01 23:31 UTC" in page.text
    assert "study of" not in Page(render(make_run().model_copy(update={"beginning": None}))).text


def test_the_page_tells_how_columns_were_encoded(text, render, make_run):
    assert "arrays of 8 × 8 numbers" in Page(text).text
    run = make_run()
    data = run.summary.data.model_copy(update={"columns_encoded": ()})
    older = run.model_copy(update={"summary": run.summary.model_copy(update={"data": data})})
    assert "what it became" not in Page(render(older)).text


def test_the_command_and_the_fingerprint_are_given(text, make_run):
    run = make_run()
    assert f"<pre><code>{run.command}</code></pre>" in text
    assert run.summary.data.fingerprint in text


def test_a_regression_speaks_of_errors_where_lower_is_better(render, regression):
    page = Page(render(regression))
    assert "RMSE: lower is better" in page.text
    assert "How much better the networks' RMSE is on the rows they were trained on" in page.text
    assert "Left of zero an arm beats plain" in page.text
    assert "ccuracy" not in page.text
    assert {cell["data-label"] for cell in page.all("td")} >= {"test RMSE", "test R²"}


def test_a_classification_speaks_of_accuracies_where_higher_is_better(text):
    page = Page(text)
    assert "Accuracy: higher is better" in page.text
    assert "Right of zero an arm beats plain" in page.text
    assert "RMSE" not in page.text


@pytest.mark.parametrize("update", [{"time": "day"}, {"given_test": True}, {"group": "patient"}, {}], ids=str)
def test_it_is_said_where_all_seeds_test_on_the_same_rows(render, make_run, update):
    run = make_run()
    data = run.summary.data.model_copy(update=update)
    page = Page(render(run.model_copy(update={"summary": run.summary.model_copy(update={"data": data})})))
    same = "time" in update or "given_test" in update
    assert ("All seeds test on the same rows" in page.text) == same


def test_markup_in_names_is_shown_as_text(hostile):
    page = Page(hostile)
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.all("img"))
    assert len(page.all("script")) == 2
    # Title, heading, eyebrow, data, target, three classes, and twice in the command.
    assert page.text.count(HOSTILE) == 10


def test_data_cannot_end_the_script_it_is_embedded_in(render, make_run, monkeypatch):
    monkeypatch.setattr("dropnorm.report.style.text", lambda _: HOSTILE)
    page = render(make_run())
    script = page[page.rindex("<script>") :]
    assert "</script>" not in script[: script.index("})();")]
    assert "\\u003c/script\\u003e" in script


def test_a_run_of_two_arms_and_two_seeds_without_timing(render, make_run):
    classes = tuple(f"class {i}" for i in range(100))
    page = render(make_run(arms=("plain", "dropout"), seeds=2, classes=classes, timing=False, flat=True))
    assert "<b>100</b><span>classes</span>" in page
    assert "This run cannot tell." in page
    assert "wall time" not in page
    assert not re.search(r"\b(NaN|Infinity|None|nan|inf)\b", page)


def test_a_run_of_plain_alone_has_no_differences(render, make_run):
    page = render(make_run(arms=("plain",)))
    assert "seed by seed" not in page
    assert 'data-section="gap"' in page


def test_without_dropout_there_is_no_picture_of_it(render, make_run):
    page = render(make_run(arms=("plain", "batch_norm")))
    assert "How much dropout?" not in page
    assert "What dropout does to the hidden units" not in page
    assert "What dropout drops" not in page
    assert "What the first layer looks for" not in page


def test_a_learning_curve_is_drawn_and_told(render, make_run):
    run = make_run(arms=("plain", "dropout"))
    score = Interval(mean=0.9, low=0.8, high=0.95)
    points = tuple(
        CurvePoint(
            arm=arm,
            fraction=rows / 1149,
            rows=rows,
            test_score=score,
            difference=None if arm == "plain" else gain,
            p_holm=None if arm == "plain" else p,
        )
        for rows, gain, p in (
            (287, Interval(mean=0.01, low=-0.01, high=0.03), 0.2),
            (1149, Interval(mean=0.02, low=0.01, high=0.03), 0.01),
        )
        for arm in ("plain", "dropout")
    )
    page = render(run.model_copy(update={"summary": run.summary.model_copy(update={"learning_curve": points})}))
    assert "dropout beats plain from 1,149 rows on." in page
    assert page.count('data-section="sizes"') == page.count('data-section="size differences"') == 1
    assert "How much data?" not in render(run)


def test_without_batch_norm_there_is_no_picture_of_it(render, make_run):
    assert "What batch norm does" not in render(make_run(arms=("plain", "dropout")))


def test_a_run_without_pictures_is_drawn_without_them(render, make_run):
    page = render(make_run().model_copy(update={"pictures": None}))
    assert "How much dropout?" in page
    assert "What dropout does to the hidden units" not in page
    assert "What dropout drops" not in page
    assert "What the first layer looks for" not in page


def test_a_failed_write_leaves_the_old_page_and_nothing_else(make_run, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("the old page", encoding="utf-8")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dropnorm.study.files.os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        write_report(make_run(), path)
    assert path.read_text(encoding="utf-8") == "the old page"
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_page_is_replaced_and_no_temporary_file_stays(make_run, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("the old page", encoding="utf-8")
    write_report(make_run(), path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_error(make_run, tmp_path):
    with pytest.raises(RunError, match=r"report\.html: cannot be written \(No such file or directory\)"):
        write_report(make_run(), tmp_path / "missing" / "report.html")


def test_the_same_run_gives_the_same_page(render, make_run, text):
    assert render(make_run()) == text


def test_a_saved_run_is_drawn_without_torch_or_sklearn(make_run, tmp_path):
    saved = tmp_path / "run.json"
    saved.write_text(make_run().model_dump_json(), encoding="utf-8")
    program = (
        "import sys, pathlib\n"
        "from dropnorm.report import write_report\n"
        "from dropnorm.study.records import Run\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "write_report(Run.model_validate_json((folder / 'run.json').read_text()), folder / 'report.html')\n"
        "print([name for name in ('torch', 'sklearn') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert (tmp_path / "report.html").stat().st_size > 4_000_000


def browse(page, folder, *options):
    """Load a page in a headless browser: what it logged, and its document afterwards."""
    done = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=5000",
            "--enable-logging=stderr",
            "--v=0",
            *options,
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line], done.stdout


needs_browser = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium on PATH")


@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("name", ["digits", HOSTILE], ids=["plain", "hostile"])
def test_a_browser_draws_every_plot_without_a_console_message(make_run, tmp_path, name):
    page = tmp_path / "report.html"
    write_report(make_run(name=name, target=name, classes=(name, "other")), page)
    logged, dom = browse(page, tmp_path)
    assert logged == []
    # Four panels of loss, of accuracy and of reliability, the gaps, the differences; two of rates, outputs and activity;
    # four of bands; two of masks.
    assert dom.count('class="plot-container plotly"') == 26
    assert dom.count('class="trace scatter') > 10
    assert not re.search(r"<body[^>]*owned", dom)


@pytest.mark.browser
@needs_browser
def test_plots_are_drawn_as_wide_as_their_boxes_for_printing_and_for_the_screen_again(make_run, tmp_path):
    page = tmp_path / "report.html"
    write_report(make_run(), page)
    measure = """<script>
      const widths = () => [...document.querySelectorAll(".plot")].map(
        plot => [plot.clientWidth, Number(plot.querySelector(".main-svg").getAttribute("width"))]);
      const told = { screen: widths() };
      dispatchEvent(new Event("beforeprint"));
      told.print = widths();
      dispatchEvent(new Event("afterprint"));
      told.again = widths();
      document.body.dataset.told = JSON.stringify(told);
    </script></body>"""
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", measure), encoding="utf-8")
    logged, dom = browse(page, tmp_path, "--window-size=1280,2000")
    assert logged == []
    told = json.loads(html.unescape(re.search(r'data-told="([^"]*)"', dom).group(1)))
    assert told["again"] == told["screen"]
    for widths in told.values():
        assert all(box == drawn > 0 for box, drawn in widths)
    # A page of A4 between its margins is 703 pixels wide.
    assert max(box for box, _ in told["print"]) <= 700 < max(box for box, _ in told["screen"])
    assert len({box for box, _ in told["print"]}) == 2, "panels, two in a row, and plots over the whole width"


@pytest.mark.browser
@needs_browser
def test_a_dark_page_has_the_colours_for_it(make_run, tmp_path):
    arms = ("plain", "dropout", "batch_norm", "dropout+batch_norm")
    page = tmp_path / "report.html"
    write_report(make_run(arms=arms), page)
    grey, dark_grey = (f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})" for colour in PLAIN)
    _, light = browse(page, tmp_path, "--blink-settings=preferredColorScheme=1")
    _, dark = browse(page, tmp_path, "--blink-settings=preferredColorScheme=0")
    assert grey in light
    assert dark_grey not in light
    assert dark_grey in dark
    assert grey not in dark
