"""`audit`: a model looked over by all rules, and left as it was."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from dropnorm._arguments import checked
from dropnorm._constraints import Each, Text
from dropnorm.errors import ArgumentTypeError, SurgeryError
from dropnorm.surgery.audit.examination import Examination
from dropnorm.surgery.audit.findings import Audit
from dropnorm.surgery.audit.history import losses_of
from dropnorm.surgery.audit.measuring import measure
from dropnorm.surgery.audit.registry import chosen, looked_over
from dropnorm.surgery.audit.rules import RULES as RULES
from dropnorm.surgery.dispatch import is_keras
from dropnorm.surgery.modules.batches import Arguments, arguments_of, check_batches, cloned, inputs_of
from dropnorm.surgery.modules.observe import described
from dropnorm.surgery.modules.operations import Kind, kind_of
from dropnorm.surgery.modules.reading import check_initialized
from dropnorm.surgery.modules.recording import Recording, record
from dropnorm.surgery.modules.restoring import restored
from dropnorm.surgery.modules.rewrite import copied
from dropnorm.surgery.modules.trace import Flow, Trace, trace

_WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "module",
    "OptimizedModule": "_orig_mod",
}


_CODES = Each(Text("the code of a rule, or its beginning", "DN2"), ("DN2",))


@checked(select=_CODES, ignore=_CODES)
def audit(
    model: Any,
    batch: Any = None,
    *,
    loader: Iterable[Any] | None = None,
    optimizer: Any = None,
    history: Any = None,
    select: Sequence[str] | str | None = None,
    ignore: Sequence[str] | str = (),
) -> Audit:
    """Look a model over for what goes wrong with dropout and batch norm: findings, each with its reason and its fix.

    Without data the forward pass is traced. With a batch the model is run once, in training mode, and everything that it
    changes is put back: modes, buffers, random states. With a loader it also sees some 1024 rows in both modes.

    Args:        model: any torch.nn.Module, also one wrapped for parallel training; or a Keras model. batch: as the model
                 takes it in training: a tensor, a tuple of arguments or a dictionary of named ones. loader: batches, perhaps
                 with labels behind the inputs, for the rules on behaviour; its first batch also serves as `batch`.
                 optimizer: the one that trains it. history: losses of each epoch, {"train_loss": [...],
                 "validation_loss": [...]}, or a list of such per epoch. select: codes of the rules to use, or beginnings of
                 codes, such as "DN2"; default all. ignore: others.
    Keras:       batch and loader: as `fit` takes them: the inputs come first, several as a list or dictionary, and arrays are
                 split into batches of 32. The loss, and what is not given of optimizer and history, are read from the model,
                 if it is compiled and was fitted. The codes are the same.
    Returns:     Audit, whose `findings` come worst first, and which tells what could not be looked at.
    Raises:      ArgumentTypeError for what is no module, optimizer, loader or history; ArgumentError for a code that no rule
                 has, and a history without validation; SurgeryError for a batch or loader that the model does not take.
    Example:
        >>> import torch
        >>> import dropnorm as dn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(8), torch.nn.ReLU())
        >>> dn.audit(net).codes
        ('DN101',)
    """
    if is_keras(model):
        from dropnorm.surgery.keras.audit.audit import audit as audit_of_keras

        return audit_of_keras(model, batch, loader, optimizer, history, select, ignore)
    rules = chosen(select, ignore, RULES)
    inner, workers = _unwrapped(model)
    if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
        raise ArgumentTypeError(
            f"optimizer={type(optimizer).__name__} is no torch.optim.Optimizer: expected the one that trains the model. "
            f"Leave it out if there is none."
        )
    given = None if batch is None else arguments_of(batch)
    if loader is not None:
        check_batches(loader, "loader")
        with restored(inner):  # a DataLoader draws from the generator when it begins
            first = next(iter(loader), None)
        given = inputs_of(inner, first) if given is None and first is not None else given
    losses = None if history is None else losses_of(history)
    recording = None if given is None else _recorded(inner, given)
    flows, inference_flows, reasons = _flows(inner, recording, given)
    examination = Examination(
        model=inner,
        flows=flows,
        inference_flows=inference_flows,
        recording=recording,
        optimizer=optimizer,
        behaviour=None if loader is None else measure(inner, loader),
        history=losses,
        workers=workers,
    )
    needs = {"batch": given, "optimizer": optimizer, "loader": loader, "history": losses}
    untraced = f"{reasons[0]}: only in parts; give a batch" if reasons else ""
    return looked_over(type(inner).__name__, examination, rules, needs, untraced)


def _unwrapped(model: Any) -> tuple[nn.Module, int]:
    """The module itself, and on how many workers it is trained."""
    if not isinstance(model, nn.Module):
        raise ArgumentTypeError(
            f"model={type(model).__name__} is no torch.nn.Module: expected a module. For a class give an instance of it."
        )
    workers = 1
    while (attribute := _WRAPPERS.get(type(model).__name__)) is not None:
        if isinstance(model, nn.DataParallel):
            workers = len(model.device_ids)
        elif isinstance(model, nn.parallel.DistributedDataParallel):
            workers = torch.distributed.get_world_size(model.process_group)
        model = getattr(model, attribute)
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ArgumentTypeError(
            f"model={type(model).__name__} is scripted, and cannot be looked into: expected ordinary modules. Give the model "
            f"as it was before."
        )
    check_initialized(model)
    if any(tensor.is_inference() for tensor in (*model.parameters(), *model.buffers())):
        model = copied(model)  # they can be neither restored nor trained
    return model, workers


def _recorded(model: nn.Module, given: Arguments) -> Recording:
    """One pass in training mode; with gradients, as in training, so that checkpointing shows."""
    with restored(model), torch.enable_grad():
        if not model.training:
            model.train()
        recording = record(model, *cloned(given))
    if recording.failure is not None and not any(each.count < 2 and each.by_batch for each in recording.batches):
        raise SurgeryError(
            f"batch={described(given[0][0] if given[0] else given[1])} cannot be given to {type(model).__name__} "
            f"({type(recording.failure).__name__}: {recording.failure}): expected what its forward takes: a tensor, a tuple "
            f"of its arguments or a dictionary of its named ones."
        ) from recording.failure
    return recording


def _flows(
    model: nn.Module, recording: Recording | None, given: Arguments | None
) -> tuple[tuple[Flow, ...], tuple[Flow, ...], list[str]]:
    """What the model does in training and in inference, and why not all of it could be followed."""
    if recording is not None and given is not None:
        if recording.failure is not None or not _calls_dropout(recording.flow):
            return (recording.flow,), (), []
        with restored(model), torch.no_grad():
            return (recording.flow,), (record(model.eval(), *cloned(given)).flow,), []
    traced = _traced(model, True)
    if traced is None:
        return (), (), ["it cannot be copied and traced"]
    reasons = [f"{each.path or 'the forward'} cannot be traced" for each in traced.untraceable]
    inference = _traced(model, False) if any(map(_calls_dropout, traced.flows)) else None
    return traced.flows, () if inference is None else inference.flows, reasons


def _traced(model: nn.Module, training: bool) -> Trace | None:
    try:
        return trace(copied(model), training)
    except SurgeryError:
        return None


def _calls_dropout(flow: Flow) -> bool:
    """Whether functions drop, which may not know the mode."""
    return any(
        node.op == "call_function"
        and (
            kind_of(flow, node) is Kind.DROPOUT
            or getattr(node.target, "__name__", "") == "scaled_dot_product_attention"
        )
        for node in flow.graph.nodes
    )
