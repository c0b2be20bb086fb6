"""Carrying out a planned study: train what is not yet finished, then draw the conclusions and keep them."""

import platform
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from dropnorm.study.conclusions.advice import advise
from dropnorm.study.conclusions.learning_curve import summarize_curve
from dropnorm.study.conclusions.state import find_state
from dropnorm.study.conclusions.verdict import write_verdict
from dropnorm.study.data.dataset import Dataset
from dropnorm.study.data.novelty import ranges_of
from dropnorm.study.data.parts import Parts, standardize_target
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.data.subsets import reduced_parts, usable_fractions
from dropnorm.study.design import NetPlan, plan_nets
from dropnorm.study.files import write_in_run
from dropnorm.study.interruption import held_interruptions
from dropnorm.study.nets.objective import OBJECTIVES
from dropnorm.study.pictures.measuring import picture_nets
from dropnorm.study.pictures.records import UnitInput
from dropnorm.study.pictures.watching import UnitWatch
from dropnorm.study.progress import Progress, Tracker
from dropnorm.study.records import Beginning, CurveNet, EpochRecord, NetRecord, Run, StudyConfig, Summary, Timing
from dropnorm.study.runs.damage import told_as_damage
from dropnorm.study.runs.loading import SUMMARY_NAME
from dropnorm.study.runs.store import Store
from dropnorm.study.saving.description import ExpectedScore, Member, ModelDescription
from dropnorm.study.saving.saved_model import SavedModel, model_of
from dropnorm.study.statistics.arms import summarize_arms
from dropnorm.study.statistics.choice import best_choice, choose_nets, nets_of_choice
from dropnorm.study.statistics.comparisons import interactions
from dropnorm.study.statistics.metrics import constant_score
from dropnorm.study.statistics.out_of_bag import model_result
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import task_for, task_of
from dropnorm.study.training.block import BlockTrainer
from dropnorm.study.training.kinds import AnyArchitecture, blocks_of, kind_of
from dropnorm.study.training.limits import limits_of
from dropnorm.study.training.protocols import Kind
from dropnorm.study.training.unseen import predict_unseen

SAVE_EVERY_SECONDS = 5.0


def execute(
    store: Store,
    folder: Path | None,
    dataset: Dataset,
    config: StudyConfig,
    architecture: AnyArchitecture,
    command: str,
    progress: Callable[[Progress], None] | None = None,
    on_interruption: Callable[[], None] | None = None,
) -> tuple[Run, SavedModel]:
    """Train every block that the store does not have, conclude, and keep summary and model in the folder, if there is one."""
    # What lies in the folder from before may be damaged; what this call trains is not.
    reading = partial(told_as_damage, folder) if folder is not None and store.holds_progress else nullcontext
    parts = Parts.prepare(dataset, config)
    task = dataset.encoding.task
    sizes = _plans_by_size(parts, config)
    plans = [plan for own in sizes.values() for plan in own]
    with reading():
        tracker = Tracker(plans, [*store.nets(), *store.curve_nets()], task)
    watch = UnitWatch(parts, architecture, config)
    kind = kind_of(architecture)
    index = 0
    for fraction, own in sizes.items():
        reduced = None
        for block in blocks_of(own, kind, config.batch_size):
            state, finished = store.block(index)
            if not finished:
                if reduced is None:
                    reduced = parts if fraction == 1.0 else reduced_parts(parts, dataset, fraction)
                with reading():
                    trainer = BlockTrainer(block, reduced, kind, config, OBJECTIVES[task], state)
                _train_block(store, index, trainer, watch, tracker, progress, on_interruption, fraction)
            index += 1
    with reading():
        summary = _summarize(store, dataset, parts, config, architecture, kind)
        model = _advised_model(store, summary, dataset, parts, architecture)
        pictures = picture_nets(store, parts, architecture, config, task_of(summary).metric)
    timing = Timing(
        seconds=store.seconds(),
        finished=_finished(store),
        processor=processor_name(config.device),
        threads=torch.get_num_threads(),
        torch_version=torch.__version__,
        keras=kind.framework,
    )
    store.put(command=command, timing=timing.model_dump(mode="json"), pictures=pictures.model_dump())
    if folder is not None:
        store.compact()
        model.save(folder)
        write_in_run(folder / SUMMARY_NAME, summary.model_dump_json(indent=2).encode() + b"\n")
        store.check_there()
    run = Run(
        summary=summary,
        nets=store.nets(),
        epochs=store.epochs(),
        curve_nets=store.curve_nets(),
        unit_inputs=store.unit_inputs(),
        pictures=pictures,
        beginning=store.get_record("begun", Beginning),
        timing=timing,
        command=command,
    )
    return run, model


def _finished(store: Store) -> datetime:
    """When the last net was finished: now, unless a finished study is only concluded anew."""
    before = store.get_record("timing", Timing)
    known = before is not None and before.seconds == store.seconds()
    return before.finished if before and known and before.finished else datetime.now(UTC)


def _plans_by_size(parts: Parts, config: StudyConfig) -> dict[float, tuple[NetPlan, ...]]:
    """The nets that learn from each fraction of the training rows, all of them first; they are numbered in all."""
    plans = plan_nets(config)
    smallest = min(len(split.train) for split in parts.splits)
    fractions = usable_fractions(smallest, config.batch_size) if config.learning_curve else ()
    return {1.0: plans} | {
        fraction: tuple(replace(plan, net=size * len(plans) + plan.net) for plan in plans)
        for size, fraction in enumerate(fractions, 1)
    }


def _train_block(
    store: Store,
    index: int,
    trainer: BlockTrainer,
    watch: UnitWatch,
    tracker: Tracker,
    progress: Callable[[Progress], None] | None,
    on_interruption: Callable[[], None] | None,
    fraction: float,
) -> None:
    """Train a block to its end; what is saved on the way is always a whole number of epochs.

    Of nets that learn from a fraction of the rows, the epochs are not kept.
    An interruption ends it after the epoch, which is saved; a second one at once, without it.
    """
    unsaved, inputs, saved_at = list[EpochRecord](), list[UnitInput](), time.monotonic()
    with held_interruptions(on_interruption) as interrupted:
        while not trainer.finished:
            records = trainer.train_epoch()
            unsaved += records if fraction == 1.0 else []
            inputs += watch.measure(
                trainer.nets, [trainer.plans[position] for position in trainer.active.tolist()], trainer.epoch
            )
            if progress is not None:
                progress(tracker.after_epoch(trainer, records))
            elapsed = time.monotonic() - saved_at
            if elapsed > SAVE_EVERY_SECONDS or (interrupted() and not trainer.finished):
                store.save_progress(index, trainer.state(), unsaved, elapsed, inputs)
                unsaved, inputs, saved_at = [], [], time.monotonic()
            if interrupted() and not trainer.finished:
                raise KeyboardInterrupt
        if fraction == 1.0:
            store.save_finished(index, trainer.finish(), unsaved, time.monotonic() - saved_at, inputs)
        else:
            nets = [_curve_net(record, trainer.parts, fraction) for record, _ in trainer.finish()]
            store.save_curve(index, nets, time.monotonic() - saved_at)
    tracker.finish(trainer.plans)
    if interrupted():
        raise KeyboardInterrupt


def _curve_net(record: NetRecord, parts: Parts, fraction: float) -> CurveNet:
    """A finished net of the learning curve, with the number of different rows that it learned from."""
    rows = len(np.unique(parts.splits[record.seed].train))
    return CurveNet(**record.model_dump(exclude={"reliability"}), fraction=fraction, train_rows=rows)


def _summarize(
    store: Store, dataset: Dataset, parts: Parts, config: StudyConfig, architecture: AnyArchitecture, kind: Kind
) -> Summary:
    nets, epochs = store.nets(), store.epochs()
    scales = tuple(group.record for group in parts.features.groups or ())
    data = dataset.describe(*parts.sizes, shared_scales=scales)
    task = task_for(data.task, config)
    resolution = task.metric.resolution(data.test_rows)
    resampling = Resampling.of(data, config)
    steps, limits = parts.steps_per_epoch(config.batch_size), limits_of(parts, config)
    names = [arm.name for arm in config.arms]
    arms = summarize_arms(nets, epochs, names, task, resampling, steps, resolution)
    chosen = {name: choose_nets(nets, name, task.metric) for name in names}
    both = interactions(chosen, task, resampling, resolution)
    constant = constant_score(task.metric.key, dataset.targets, len(data.classes))
    state = find_state(chosen, epochs, data, limits.epochs, task.metric, constant, resampling, resolution)
    advice = advise(arms, nets, task.metric, resampling)
    of_models = {name: nets_of_choice(nets, name, best_choice(nets, name, task.metric)) for name in names}
    unseen = predict_unseen(store, of_models, dataset, parts, kind, config)
    models = tuple(model_result(unseen[name], of_models[name], data.test_rows, data.classes) for name in names)
    advised = next(model for model in models if model.arm == advice.arm)
    return Summary(
        dropnorm_version=version("dropnorm"),
        data=data,
        config=config,
        steps_per_epoch=steps,
        limits=limits,
        parameters=architecture.parameters,
        arms=arms,
        interactions=both,
        state=state,
        advice=advice,
        models=models,
        learning_curve=summarize_curve(nets, store.curve_nets(), data, config),
        verdict=write_verdict(task, data, arms, state, both, advice, resampling.unit, advised),
    )


def _advised_model(
    store: Store, summary: Summary, dataset: Dataset, parts: Parts, architecture: AnyArchitecture
) -> SavedModel:
    """The mean of the advised arm's nets, one per seed, of the advised rate and decay."""
    advice = summary.advice
    nets = nets_of_choice(store.nets(), advice.arm, (advice.rate, advice.weight_decay))
    description = ModelDescription(
        arm=next(arm for arm in summary.config.arms if arm.name == advice.arm),
        rate=advice.rate,
        weight_decay=advice.weight_decay,
        architecture=architecture,
        encoding=dataset.encoding,
        members=tuple(_member(net, dataset, parts) for net in nets),
        ranges=ranges_of(dataset.encoding, dataset.features[: dataset.rows - dataset.given_test]),
        expected=_expected(summary),
        group=dataset.order.group,
    )
    return model_of(description, [store.weights(net.net) for net in nets])


def _expected(summary: Summary) -> ExpectedScore | None:
    """What the study found of the advised model."""
    found = next((model for model in summary.models if model.arm == summary.advice.arm), None)
    if found is None:
        return None
    return ExpectedScore(metric=task_of(summary).metric.key, score=found.score, rows=found.rows)


def _member(net: NetRecord, dataset: Dataset, parts: Parts) -> Member:
    """A net with the scale of its training part."""
    split = parts.splits[net.seed]
    standardization = Standardization.learn(dataset.features, split.train, parts.features.groups)
    _, target_mean, target_scale = standardize_target(dataset, split)
    return Member(
        net=net.net,
        seed=net.seed,
        mean=tuple(standardization.mean.tolist()),
        scale=tuple(standardization.scale.tolist()),
        target_mean=target_mean,
        target_scale=target_scale,
    )


def processor_name(device: str) -> str:
    """What computes: the processor's name, or the accelerator's."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
