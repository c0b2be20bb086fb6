from collections.abc import Sequence

from torch import Tensor

def instruction_sets() -> list[str]: ...
def choose(instruction_set: str, /) -> None: ...

class Decided: ...

def decide(
    p: float | Sequence[float], key: Tensor, site: int, rows: Tensor | None, channelwise: bool, /
) -> Decided | None: ...
def dropout(x: Tensor, y: Tensor, decided: Decided, threads: int, /) -> bool: ...

class BatchNorm:
    def __init__(
        self, eps: float, activation: int, negative_slope: float, decided: Decided | None, grouped: bool, /
    ) -> None: ...
    def forward(
        self,
        x: Tensor,
        y: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        counted: Tensor | None,
        threads: int,
        /,
    ) -> bool: ...
    def backward(
        self,
        grad: Tensor,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        counted: Tensor | None,
        grad_x: Tensor,
        grad_weight: Tensor | None,
        grad_bias: Tensor | None,
        threads: int,
        /,
    ) -> bool: ...
    def statistics(self, mean: Tensor, var: Tensor, /) -> bool: ...
    def recall(self, x: Tensor, mean: Tensor, var: Tensor, /) -> bool: ...
    def track(
        self,
        running_mean: Tensor,
        running_var: Tensor | None,
        batches: Tensor | None,
        momentum: float | None,
        only_finite: bool,
        /,
    ) -> bool | None: ...

def gather(
    base: Tensor,
    rows: Tensor,
    seeds: Tensor,
    factor: Tensor,
    shift: Tensor,
    farthest: float,
    x: Tensor,
    threads: int,
    /,
) -> bool: ...
def softmax_gradient(outputs: Tensor, targets: Tensor, scale: float, grad: Tensor, threads: int, /) -> bool: ...
def adam(
    values: Sequence[Tensor],
    grads: Sequence[Tensor],
    means: Sequence[Tensor],
    squares: Sequence[Tensor],
    learning_rate: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: int,
    threads: int,
    /,
) -> bool: ...

class Dense:
    def read(
        self, base: Tensor, factor: Tensor, shift: Tensor, farthest: float, seeds: Tensor, targets: Tensor, /
    ) -> bool: ...
    def train(
        self,
        order: Tensor,
        keys: Tensor,
        number: int,
        learning_rate: float,
        beta1: float,
        beta2: float,
        eps: float,
        threads: int,
        /,
    ) -> bool: ...
    def evaluate(self, rows: Tensor, outputs: Tensor, threads: int, /) -> bool: ...

def dense(
    blas: Sequence[int],
    activation: int,
    negative_slope: float,
    eps: float,
    momentum: float,
    layers: Sequence[Sequence[Tensor | None]],
    means: Sequence[Sequence[Tensor | None]],
    squares: Sequence[Sequence[Tensor | None]],
    rates: Sequence[Sequence[float]],
    input_rates: Sequence[float],
    input_site: int,
    decays: Sequence[float],
    largest_norms: Sequence[float],
    /,
) -> Dense | None: ...
