"""One self-contained page of a run: it works offline and asks the network for nothing."""

from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs

from dropnorm.report import (
    activity,
    bands,
    drawing,
    effects,
    figures,
    masks,
    rates,
    reliability,
    sizes,
    style,
    tables,
    tiles,
)
from dropnorm.study.conclusions.learning_curve import describe_curve
from dropnorm.study.files import write_atomically
from dropnorm.study.pictures.records import Pictures
from dropnorm.study.records import Run
from dropnorm.study.task import TASKS


def write_report(run: Run, path: Path) -> None:
    """Draw a finished run as one HTML page that works offline.

    The page holds everything it shows, plotly's script included (about 5 MB), and its content security policy
    forbids every request to the network. It appears at `path` whole or not at all.

    Args:
        run: a finished run.
        path: the file to write, in a folder that exists; a file that is there already is replaced.

    Raises:
        OSError: the folder does not exist or cannot be written to.
    """
    write_atomically(Path(path), _render(run).encode())


def _render(run: Run) -> str:
    """Make the page as text."""
    source = resources.files("dropnorm.report").joinpath("template.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    answer, numbers = tables.interaction_sentence(run.summary)
    task = TASKS[run.summary.data.task]
    pictures, curve = run.pictures or Pictures(), run.summary.learning_curve
    return environment.from_string(source).render(
        data=run.summary.data,
        task=task,
        verdict=run.summary.verdict,
        facts=tables.key_facts(run),
        table=tables.arm_table(run.summary),
        colours=style.COLOURS,
        other_colour=style.OTHER_COLOUR,
        plots=_plots(run),
        compared={one.arm: one.rate for one in pictures.histograms},
        features=[tiles.tile(one) for one in pictures.features],
        arms=[arm.arm for arm in run.summary.arms],
        dropping=[arm.name for arm in run.summary.config.arms if arm.dropout],
        effects=effects.effect_table(run.summary),
        unit=effects.unit_of_evidence(run.summary),
        curve=describe_curve(curve, task.metric, run.summary.advice.units) if curve else "",
        optimism=effects.optimism_sentences(run.summary),
        differences=figures.paired_differences(run.summary),
        answer=answer,
        numbers=numbers,
        how=tables.how_it_was_made(run),
        command=run.command,
        config=style.CONFIG,
        plotly_js=get_plotlyjs(),
    )


def _plots(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Draw the plots of each section, in the order of the page, as plain data for the page's script."""
    metric = TASKS[run.summary.data.task].metric
    sections = {
        "loss": drawing.draw_learning_curves(figures.learning_curves(run, "loss")).values(),
        "score": drawing.draw_learning_curves(figures.learning_curves(run, "score")).values(),
        "gap": [drawing.draw_generalization_gaps(figures.generalization_gaps(run.summary), metric)],
        "differences": [drawing.draw_paired_differences(figures.paired_differences(run.summary), metric)],
    }
    sections["reliability"] = reliability.draw_reliability(reliability.reliability_panels(run))
    sections["rates"] = rates.draw_rate_curves(rates.rate_curves(run), metric)
    curves = sizes.size_curves(run)
    sections["sizes"] = sizes.draw_size_scores(curves, metric)
    sections["size differences"] = sizes.draw_size_differences(curves, metric)
    sections["bands"] = bands.draw_unit_bands(bands.unit_bands(run))
    pictures = run.pictures or Pictures()
    sections["outputs"] = activity.draw_histograms(pictures.histograms)
    sections["activity"] = activity.draw_activity(activity.activity_curves(run))
    sections["masks"] = masks.draw_masks(pictures.masks)
    return {section: [figure.to_plotly_json() for figure in drawn] for section, drawn in sections.items()}
