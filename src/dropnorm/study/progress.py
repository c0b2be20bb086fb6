"""How far a study is: its nets, finished and in training, and how they do on validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropnorm.study.records import ArmName, EpochRecord, NetRecord, TaskName

if TYPE_CHECKING:
    from dropnorm.study.design import NetPlan
    from dropnorm.study.training.block import BlockTrainer


@dataclass(frozen=True)
class ArmProgress:
    """How far one arm is; its score is the mean of its nets' latest on validation, None before there is any."""

    arm: ArmName
    nets: int
    nets_finished: int
    nets_in_training: int
    validation_score: float | None


@dataclass(frozen=True)
class Progress:
    """How far a study is, after an epoch of one block of nets.

    `arms` are those of the block; `done` is the share of all epochs of all nets that are behind, those of nets that stopped
    early included; `validation_score` is the mean of the nets that are in training.
    """

    arms: tuple[ArmName, ...]
    epoch: int
    epochs: int
    nets_in_training: int
    nets_finished: int
    nets: int
    done: float
    validation_score: float
    task: TaskName
    by_arm: tuple[ArmProgress, ...]


class Tracker:
    """Counts the nets of a study while blocks of them are trained, from those that a store has already."""

    def __init__(self, plans: "Sequence[NetPlan]", finished: Sequence[NetRecord], task: TaskName) -> None:
        self.plans, self.task = plans, task
        self.scores = {net.net: net.validation_score for net in finished}
        self.finished = set(self.scores)

    def after_epoch(self, trainer: "BlockTrainer", records: Sequence[EpochRecord]) -> Progress:
        """What there is to tell after an epoch of a block, whose nets were measured."""
        self.scores |= {record.net: record.validation_score for record in records}
        training = {trainer.plans[position].net for position in trainer.active.tolist()}
        stopped = {plan.net for plan in trainer.plans} - training
        finished, epochs = self.finished | stopped, trainer.limits.epochs
        return Progress(
            arms=tuple(dict.fromkeys(plan.arm.name for plan in trainer.plans)),
            epoch=trainer.epoch,
            epochs=epochs,
            nets_in_training=len(training),
            nets_finished=len(finished),
            nets=len(self.plans),
            done=(len(finished) + len(training) * trainer.epoch / epochs) / len(self.plans),
            validation_score=sum(record.validation_score for record in records) / len(records),
            task=self.task,
            by_arm=tuple(self._arm(name, finished, training) for name in dict.fromkeys(p.arm.name for p in self.plans)),
        )

    def finish(self, block: "Sequence[NetPlan]") -> None:
        """A block is finished."""
        self.finished |= {plan.net for plan in block}

    def _arm(self, name: ArmName, finished: set[int], training: set[int]) -> ArmProgress:
        nets = {plan.net for plan in self.plans if plan.arm.name == name}
        scores = [self.scores[net] for net in nets if net in self.scores]
        return ArmProgress(
            arm=name,
            nets=len(nets),
            nets_finished=len(nets & finished),
            nets_in_training=len(nets & training),
            validation_score=sum(scores) / len(scores) if scores else None,
        )
