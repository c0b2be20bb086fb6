"""One self-contained page of a run: it works offline and asks the network for nothing."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from dropnorm._arguments import checked
from dropnorm._constraints import FilePath, Instance
from dropnorm.report import (
    activity,
    bands,
    drawing,
    effects,
    encodings,
    figures,
    masks,
    model,
    rates,
    reliability,
    sizes,
    style,
    tables,
    tiles,
)
from dropnorm.report.arm_styles import ArmStyle, arm_styles, dark_shades
from dropnorm.report.panels import Panel
from dropnorm.study.conclusions.learning_curve import describe_curve
from dropnorm.study.files import write_where_told
from dropnorm.study.pictures.records import Pictures
from dropnorm.study.records import Run
from dropnorm.study.task import TASKS, task_of


@checked(
    run=Instance(Run, "finished run", "Use what load_run gives, or a study's run."), path=FilePath("a file to write")
)
def write_report(run: Run, path: Path) -> None:
    """Draw a finished run as one HTML page that works offline.

    The page holds everything it shows, plotly's script included (about 5 MB), and its content security policy
    forbids every request to the network. It appears at `path` whole or not at all.

    Args:
        run: a finished run.
        path: the file to write, in a folder that exists; a file that is there already is replaced.

    Raises:
        RunError: the folder does not exist or cannot be written to.
        StorageError: the disk is full.
    """
    write_where_told(Path(path), _render(run).encode())


def _render(run: Run) -> str:
    """Make the page as text."""
    source = resources.files("dropnorm.report").joinpath("template.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    answer, numbers = tables.interaction_sentence(run.summary)
    task = task_of(run.summary)
    pictures, curve = run.pictures or Pictures(), run.summary.learning_curve
    arms = arm_styles([arm.name for arm in run.summary.config.arms])
    panels = _panels(run, arms)
    return environment.from_string(source).render(
        data=run.summary.data,
        task=task,
        model=model.advised_model(run.summary),
        metrics=model.metric_table(run.summary),
        classes=model.class_table(run.summary),
        epoch_metric=TASKS[task.name].metric,
        verdict=run.summary.verdict,
        facts=tables.key_facts(run),
        table=tables.arm_table(run.summary),
        arms=arms,
        signs={arm: f"arm-{position}" for position, arm in enumerate(arms)},
        panels=panels,
        plots={name: [panel.figure.to_plotly_json() for panel in own] for name, own in panels.items()},
        shades=dark_shades(list(arms.values())),
        compared={one.arm: one.rate for one in pictures.histograms},
        features=[tiles.tile(one) for one in pictures.features],
        dropping=[arm.name for arm in run.summary.config.arms if arm.dropout],
        effects=effects.effect_table(run.summary),
        few=reliability.FEW,
        unit=effects.unit_of_evidence(run.summary),
        curve=describe_curve(curve, task.metric, run.summary.advice.units) if curve else "",
        optimism=effects.optimism_table(run.summary),
        answer=answer,
        numbers=numbers,
        how=tables.how_it_was_made(run),
        encoding=encodings.encoding_table(run.summary.data),
        begun=run.beginning.at if run.beginning else None,
        command=run.command,
        config=style.CONFIG,
        plotly_js=get_plotlyjs(),
    )


def _panels(run: Run, arms: Mapping[str, ArmStyle]) -> dict[str, Sequence[Panel]]:
    """Draw the panels of each section, in the order of the page."""
    metric = task_of(run.summary).metric
    pictures, curves = run.pictures or Pictures(), sizes.size_curves(run)
    return {
        "loss": drawing.draw_learning_curves(figures.learning_curves(run, "loss"), arms),
        "score": drawing.draw_learning_curves(figures.learning_curves(run, "score"), arms),
        "gap": drawing.draw_generalization_gaps(figures.generalization_gaps(run.summary), metric, arms),
        "differences": drawing.draw_paired_differences(figures.paired_differences(run.summary), metric, arms),
        "reliability": reliability.draw_reliability(reliability.reliability_panels(run), arms),
        "rates": rates.draw_rate_curves(rates.rate_curves(run), metric, arms),
        "sizes": sizes.draw_size_scores(curves, metric, arms),
        "size differences": sizes.draw_size_differences(curves, metric, arms),
        "outputs": activity.draw_histograms(pictures.histograms, arms),
        "activity": activity.draw_activity(activity.activity_curves(run), arms),
        "bands": bands.draw_unit_bands(bands.unit_bands(run), arms),
        "masks": masks.draw_masks(pictures.masks, arms),
    }
