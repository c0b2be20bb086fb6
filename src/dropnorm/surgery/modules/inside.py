"""Dropout that is no layer: an argument of recurrent and attention layers, or a function in a forward."""

from torch import nn

from dropnorm.surgery.modules.operations import Kind, kind_of
from dropnorm.surgery.modules.reading import Reading
from dropnorm.surgery.notes import Note


def kept_rates(reading: Reading) -> list[Note]:
    """What is left alone, since only those who wrote the model can change it."""
    notes = []
    for path, module in reading.trace.model.named_modules():
        name = type(module).__name__
        if isinstance(module, nn.RNNBase):
            notes.append(Note(path, f"left alone: {name} drops between its own layers (dropout={module.dropout:g})."))
        elif isinstance(module, nn.RNNCellBase):
            notes.append(Note(path, f"left alone: the state of {name} goes from step to step."))
        elif isinstance(module, nn.MultiheadAttention) and module.dropout:
            notes.append(Note(path, f"left alone: {name} drops its weights (dropout={module.dropout:g})."))
    for flow, node in reading.nodes():
        if node.op == "call_function" and kind_of(flow, node) is Kind.DROPOUT:
            notes.append(Note(flow.path, f"left alone: its forward calls {node.name} as a function. Change it there."))
    return notes
