import torch.nn.functional as F
from torch import nn

from dropnorm.surgery.modules.inside import kept_rates
from dropnorm.surgery.modules.reading import read
from dropnorm.surgery.notes import Note


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(4, 4, 2, dropout=0.25)
        self.cell = nn.GRUCell(4, 4)
        self.attention = nn.MultiheadAttention(4, 1, dropout=0.1)
        self.other = nn.MultiheadAttention(4, 1)

    def forward(self, x):
        return F.dropout(self.rnn(x)[0])


def test_what_only_the_author_of_a_model_can_change():
    assert kept_rates(read(Mixed())) == [
        Note("rnn", "left alone: GRU drops between its own layers (dropout=0.25)."),
        Note("cell", "left alone: the state of GRUCell goes from step to step."),
        Note("attention", "left alone: MultiheadAttention drops its weights (dropout=0.1)."),
        Note("", "left alone: its forward calls dropout as a function. Change it there."),
    ]
