"""Training of one block of nets: Adam, early stopping per net with its best weights kept, and a state that can be saved."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from safetensors.torch import load, save
from torch import Tensor

from dropnorm.study.data.parts import Parts
from dropnorm.study.design import NetPlan, Purpose, seed_generator, seed_keys
from dropnorm.study.nets.objective import Objective
from dropnorm.study.pictures.reliability import BinnedRows
from dropnorm.study.records import EpochRecord, NetRecord, Reliability, StudyConfig
from dropnorm.study.statistics.calibration import calibration_error
from dropnorm.study.statistics.metrics import score_of
from dropnorm.study.task import ACCURACY, RMSE
from dropnorm.study.training.early_stopping import EarlyStopping, before_there_was_progress
from dropnorm.study.training.limits import limits_of
from dropnorm.study.training.protocols import Kind, Nets, Optimizer, Steps

_BLOCK_TO_FREE = 7 << 20  # 28 MiB; from 32 on it is of no use
_NUMBERS_AT_ONCE = 1 << 22  # of one layer, all nets together: 16 MiB, which stays in memory that is warm


class BlockTrainer:
    """Trains the nets of one block epoch by epoch.

    Everything random is a function of seed, epoch and step, so that a trainer made from a saved state goes on to the same
    numbers. A net that `EarlyStopping` stops leaves the batch of nets.
    """

    def __init__(
        self,
        plans: Sequence[NetPlan],
        parts: Parts,
        kind: Kind,
        config: StudyConfig,
        objective: Objective,
        state: bytes | None,
    ) -> None:
        self.plans, self.parts, self.config, self.objective = plans, parts, config, objective
        self.device, self.kind = parts.targets.device, kind
        self.steps_per_epoch = parts.steps_per_epoch(config.batch_size)
        self.limits = limits_of(parts, config)
        # glibc keeps so much memory at hand as the largest block that it has seen freed. What it gives back to the system comes
        # anew at each step, page by page, which takes longer than to compute on it.
        torch.empty(_BLOCK_TO_FREE)
        nets = kind.initial(plans, self.device)
        if state is None:
            self.epoch = 0
            self.active = torch.arange(len(plans))
            self.best = {name: tensor.clone() for name, tensor in nets.tensors().items()}
            self.stopping = EarlyStopping(self.limits, len(plans))
            self.epochs = torch.zeros(len(plans), dtype=torch.int64)
            self._continue_with(nets, moments=None, steps=0)
        else:
            # Into memory of torch's own, whose alignment the last digits of a matrix product may depend on.
            self._restore(nets, {name: tensor.clone() for name, tensor in load(state).items()})

    @property
    def finished(self) -> bool:
        """Whether every net has stopped."""
        return len(self.active) == 0 or self.epoch == self.limits.epochs

    def train_epoch(self) -> list[EpochRecord]:
        """One pass over the training part for each net that is still in training, and its measurements."""
        plans = [self.plans[position] for position in self.active.tolist()]
        order = self._order(plans)
        keys = seed_keys([plan.seed for plan in plans], Purpose.MASKS, self.epoch, torch.arange(self.steps_per_epoch))
        self.steps.train(order, keys)
        self.epoch += 1
        self.epochs[self.active] = self.epoch
        records = self._measure(plans)
        self._keep_best(records)
        return records

    def finish(self) -> Iterator[tuple[NetRecord, bytes]]:
        """Each net with its best weights: its record and the weights as safetensors."""
        seeds = [plan.seed for plan in self.plans]
        best = self._steps_of(self.nets.of(self.plans, self.best), seeds)
        train, validation, test = (
            self._evaluate(best, *self.parts.index(seeds, part), seeds) for part in ("train", "validation", "test")
        )
        if self.config.metric not in (None, ACCURACY.key, RMSE.key):
            train, validation, test = (
                (loss, self._judged(best, *self.parts.index(seeds, part), seeds))
                for part, (loss, _) in (("train", train), ("validation", validation), ("test", test))
            )
        reliabilities = self._reliabilities(best, *self.parts.index(seeds, "test"), seeds)
        for index, plan in enumerate(self.plans):
            reliability = reliabilities[index]
            record = NetRecord(
                net=plan.net,
                arm=plan.arm.name,
                split=self.config.split_of(plan.seed),
                seed=plan.seed,
                rate=plan.rate,
                weight_decay=plan.weight_decay,
                epochs=int(self.epochs[index]),
                best_epoch=int(self.stopping.best_epoch[index]),
                train_loss=train[0][index],
                train_score=train[1][index],
                validation_loss=validation[0][index],
                validation_score=validation[1][index],
                test_loss=test[0][index],
                test_score=test[1][index],
                test_r2=self._r2(test[0][index], plan.seed),
                calibration_error=None if reliability is None else calibration_error(reliability),
                reliability=reliability,
            )
            yield record, save({name: tensor[index].cpu().contiguous() for name, tensor in self.best.items()})

    def state(self) -> bytes:
        """Everything that training needs to go on from here to the same numbers."""
        tensors = {
            "epoch": torch.tensor(self.epoch),
            "steps": torch.tensor(self.epoch * self.steps_per_epoch),
            "active": self.active,
            "epochs": self.epochs,
        }
        tensors |= {f"stopping/{name}": tensor for name, tensor in self.stopping.state().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"now/{name}": tensor.detach() for name, tensor in self.nets.tensors().items()}
        for moment, by_name in self.optimizer.moments.items():
            tensors |= {f"{moment}/{name}": tensor for name, tensor in by_name.items()}
        return save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})

    def _restore(self, nets: Nets, saved: dict[str, Tensor]) -> None:
        self.epoch = int(saved["epoch"])
        self.active, self.epochs = saved["active"], saved["epochs"]
        stopping = _under("stopping", saved) or before_there_was_progress(saved["best_loss"], saved["best_epoch"])
        self.stopping = EarlyStopping(self.limits, len(self.plans), stopping)
        on_device = {name: tensor.to(self.device) for name, tensor in saved.items()}
        self.best = _under("best", on_device)
        moments: dict[str, dict[str, Tensor]] = {}
        for key, tensor in on_device.items():
            moment, separator, name = key.partition("/")
            if separator and moment not in ("best", "now", "stopping"):
                moments.setdefault(moment, {})[name] = tensor
        plans = [self.plans[position] for position in self.active.tolist()]
        self._continue_with(nets.of(plans, _under("now", on_device)), moments, int(saved["steps"]))

    def _continue_with(self, nets: Nets, moments: dict[str, dict[str, Tensor]] | None, steps: int) -> None:
        self.nets = nets
        seeds = [self.plans[position].seed for position in self.active.tolist()]
        self.measured = self._measured_parts(seeds) if seeds else ()
        rates = [self.config.learning_rate * share for share in self.stopping.shares(self.active)]
        self.optimizer = self.kind.optimizer(nets, rates, moments, steps)
        self.steps = self._steps_of(nets, seeds, self.optimizer)

    def _steps_of(self, nets: Nets, seeds: Sequence[int], optimizer: Optimizer | None = None) -> Steps:
        of_seeds = torch.tensor(seeds, device=self.device)
        return self.kind.steps(nets, self.parts, of_seeds, self.objective, optimizer)

    def _measured_parts(self, seeds: Sequence[int]) -> tuple[tuple[Tensor, Tensor], ...]:
        """As many of each net's training rows as it has for validation, and those, each with their number."""
        validation_rows, validation_sizes = self.parts.index(seeds, "validation")
        train_rows, train_sizes = self.parts.index(seeds, "train")
        sizes = torch.minimum(train_sizes, validation_sizes)
        return (train_rows[:, : int(sizes.max())], sizes), (validation_rows, validation_sizes)

    def _order(self, plans: Sequence[NetPlan]) -> Tensor:
        """The training rows of each net in this epoch's order, the same for every net of a seed."""
        seeds = sorted({plan.seed for plan in plans})
        keys = seed_keys(seeds, Purpose.ORDER, self.epoch)
        used = self.steps_per_epoch * self.config.batch_size
        shuffled = {}
        for index, seed in enumerate(seeds):
            train = self.parts.train_rows(seed)
            order = torch.randperm(len(train), generator=seed_generator(keys[index]))
            shuffled[seed] = train[order[:used].to(self.device)]
        return torch.stack([shuffled[plan.seed] for plan in plans])

    def _measure(self, plans: Sequence[NetPlan]) -> list[EpochRecord]:
        """Loss and score of each net on validation, and on as many of its training rows."""
        seeds = [plan.seed for plan in plans]
        train, validation = (self._evaluate(self.steps, *part, seeds) for part in self.measured)
        return [
            EpochRecord(
                net=plan.net,
                epoch=self.epoch,
                train_loss=train[0][index],
                train_score=train[1][index],
                validation_loss=validation[0][index],
                validation_score=validation[1][index],
            )
            for index, plan in enumerate(plans)
        ]

    def _r2(self, loss: float, seed: int) -> float | None:
        """The share of the test part's variance that a net explains, of a quantity."""
        return (
            self.objective.r2(loss, self.parts.target_variance(seed, "test")) if self.parts.targets.ndim > 1 else None
        )

    @torch.no_grad()
    def _keep_best(self, records: Sequence[EpochRecord]) -> None:
        """Keep the weights of nets that are better than ever; bring those that stall back to them, or let them go."""
        loss = torch.tensor([record.validation_loss for record in records])
        score = torch.tensor([record.validation_score for record in records])
        judged = self.stopping.after_epoch(self.epoch, self.active, loss, score)
        to, source = self.active[judged.best].to(self.device), judged.best.nonzero().flatten().to(self.device)
        now = {name: tensor.detach() for name, tensor in self.nets.tensors().items()}
        for name, tensor in now.items():
            self.best[name][to] = tensor[source]
        if self.finished or bool((judged.staying & ~judged.dropping).all()):
            return
        if bool(judged.dropping.any()):
            self.optimizer.slow_down(judged.dropping, self.limits.drop_to)
            back, from_best = (
                judged.dropping.nonzero().flatten().to(self.device),
                self.active[judged.dropping].to(self.device),
            )
            now = {
                name: tensor.index_copy(0, back, self.best[name][from_best].to(tensor.dtype))
                for name, tensor in now.items()
            }
        kept = judged.staying.nonzero().flatten().to(self.device)
        moments = {
            moment: {name: tensor[kept] for name, tensor in by_name.items()}
            for moment, by_name in self.optimizer.moments.items()
        }
        self.active = self.active[judged.staying]
        plans = [self.plans[position] for position in self.active.tolist()]
        remaining = {name: tensor[kept] for name, tensor in now.items()}
        self._continue_with(self.nets.of(plans, remaining), moments, self.epoch * self.steps_per_epoch)

    @torch.no_grad()
    def _evaluate(
        self, steps: Steps, rows: Tensor, sizes: Tensor, seeds: Sequence[int]
    ) -> tuple[list[float], list[float]]:
        """Mean loss and score of each net on as many of its rows as it has, in inference mode; NaN is given as infinity."""
        seed = torch.tensor(seeds, device=rows.device)
        own = torch.arange(rows.shape[1], device=rows.device) < sizes[:, None]
        loss, points = torch.zeros(2, len(seeds), dtype=torch.float64)
        for chunk, mask in self._in_chunks(rows, own):
            outputs, y = steps.outputs(chunk), self.parts.take_targets(seed, chunk)
            losses, weights = self.objective.losses(outputs, y), self.parts.take_weights(seed, y)
            losses = losses if weights is None else losses * weights
            loss += losses.double().where(mask, 0.0).sum(1).cpu()
            points += self.objective.points(outputs, y).where(mask, 0.0).sum(1).cpu()
        score = self.objective.score(points / sizes.cpu(), self.parts.target_scale[seeds])
        return _finite(loss / sizes.cpu()), _finite(score)

    @torch.no_grad()
    def _judged(self, steps: Steps, rows: Tensor, sizes: Tensor, seeds: Sequence[int]) -> list[float]:
        """Each net's score in the metric that arms are judged by, on as many of its rows as it has."""
        metric = self.config.metric
        assert metric is not None
        seed, scale = torch.tensor(seeds, device=rows.device), self.parts.target_scale[seeds]
        own = torch.ones_like(rows, dtype=torch.bool)
        outputs = torch.cat([steps.outputs(chunk).cpu() for chunk, _ in self._in_chunks(rows, own)], dim=1)
        targets = self.parts.take_targets(seed, rows).cpu()
        if targets.is_floating_point():
            targets = targets.double() * scale[:, None]
        # A quantity's mean falls out of every difference.
        predictions = self.objective.values(outputs, torch.zeros_like(scale), scale)
        return [
            score_of(metric, targets[index, :count].numpy(), predictions[index, :count].double().numpy())
            for index, count in enumerate(sizes.tolist())
        ]

    @torch.no_grad()
    def _reliabilities(
        self, steps: Steps, rows: Tensor, sizes: Tensor, seeds: Sequence[int]
    ) -> list[Reliability | None]:
        """Each net's rows by its confidence, where it has one."""
        seed = torch.tensor(seeds, device=rows.device)
        own = torch.arange(rows.shape[1], device=rows.device) < sizes[:, None]
        binned = BinnedRows(len(seeds))
        for chunk, mask in self._in_chunks(rows, own):
            outputs, y = steps.outputs(chunk), self.parts.take_targets(seed, chunk)
            confidences = self.objective.confidences(outputs)
            if confidences is None:
                return [None] * len(seeds)
            binned.add(confidences.cpu(), self.objective.points(outputs, y).cpu(), mask.cpu())
        return list(binned.records())

    def _in_chunks(self, rows: Tensor, own: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows and which of them each net has, as many at once as keep the largest activations small."""
        size = max(1, _NUMBERS_AT_ONCE // (len(rows) * self.kind.largest))
        return zip(torch.split(rows, size, dim=1), torch.split(own, size, dim=1), strict=True)


def _under(kind: str, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a state that were saved as of a kind."""
    return {name.removeprefix(f"{kind}/"): tensor for name, tensor in saved.items() if name.startswith(f"{kind}/")}


def _finite(values: Tensor) -> list[float]:
    return torch.nan_to_num(values, nan=torch.inf, posinf=torch.inf).tolist()
