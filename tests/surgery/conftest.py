"""Models to operate on, one for each way that people write them."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))


class LeNet(nn.Module):
    """Activations, poolings and the reshape are functions."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.conv2 = nn.Conv2d(4, 6, 3)
        self.fc1 = nn.Linear(24, 12)
        self.fc2 = nn.Linear(12, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(x.size(0), -1)
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)


class Block(nn.Module):
    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        same = channels_in == channels_out
        self.shortcut = nn.Sequential() if same else nn.Sequential(nn.Conv2d(channels_in, channels_out, 1))

    def forward(self, x):
        y = self.conv2(self.relu(self.conv1(x)))
        y += self.shortcut(x)
        return self.relu(y)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = nn.Sequential(Block(4, 4), Block(4, 6))
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


class Named(nn.Module):
    """Activations are modules of their own."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.act1 = nn.GELU()
        self.fc2 = nn.Linear(8, 8)
        self.act2 = nn.GELU()
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.act2(self.fc2(self.act1(self.fc1(x)))))


class Reused(nn.Module):
    """One layer is called twice, and one activation everywhere."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(6, 8)
        self.again = nn.Linear(8, 8)
        self.act = nn.ReLU()
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        x = self.act(self.encode(x))
        for _ in range(2):
            x = self.act(self.again(x))
        return self.out(x)


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
        self.mix = nn.Linear(8, 8)
        self.out = nn.Linear(8, 1)

    def forward(self, x):
        return self.out(F.relu(self.mix(torch.cat([self.encode(x), self.encode(-x)], 1))))


class Tied(nn.Module):
    """An autoencoder whose last weight is its first."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(6, 6)
        self.hidden = nn.Linear(6, 6)
        self.decode = nn.Linear(6, 6)
        self.decode.weight = self.encode.weight

    def forward(self, x):
        return self.decode(F.relu(self.hidden(F.relu(self.encode(x)))))


class TiedByFunction(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(6, 4)

    def forward(self, x):
        return F.linear(F.relu(self.encode(x)), self.encode.weight.t())


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(4, 8, batch_first=True)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        output, (_, _) = self.rnn(x)
        return self.fc(output[:, -1])


class Stepwise(nn.Module):
    """Cannot be traced: the loop depends on the shape."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(4, 8)
        self.head = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x):
        state = x.new_zeros(x.shape[0], 8)
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        return self.head(state)


class Regularized(nn.Module):
    """A VGG that has some of it already."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Sequential(
            nn.Linear(64, 8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class PreActivation(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        return self.fc(F.relu(self.conv2(self.norm(x))).mean((2, 3)))


class Heads(nn.Module):
    """Two layers take the same value."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(6, 8)
        self.first = nn.Linear(8, 2)
        self.second = nn.Linear(8, 3)

    def forward(self, x):
        x = torch.relu(self.trunk(x))
        return self.first(x), self.second(x)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.value = nn.Linear(6, 8)
        self.gate = nn.Linear(6, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.value(x) * torch.sigmoid(self.gate(x)))


class Transformer(nn.Module):
    """A block as GPT's, with torch's attention."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 11)

    def forward(self, x):
        x = self.embed(x)
        y = self.norm(x)
        x = x + self.attention(y, y, y)[0]
        return self.head(x + self.mlp(self.norm(x)))


def encoder_layer() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


SAMPLES = {
    "mlp": lambda: torch.randn(5, 6),
    "LeNet": lambda: torch.randn(5, 1, 14, 14),
    "Residual": lambda: torch.randn(5, 3, 6, 6),
    "Named": lambda: torch.randn(5, 6),
    "Reused": lambda: torch.randn(5, 6),
    "Siamese": lambda: torch.randn(5, 6),
    "Tied": lambda: torch.randn(5, 6),
    "TiedByFunction": lambda: torch.randn(5, 6),
    "Recurrent": lambda: torch.randn(5, 7, 4),
    "Stepwise": lambda: torch.randn(5, 7, 4),
    "Regularized": lambda: torch.randn(5, 3, 8, 8),
    "PreActivation": lambda: torch.randn(5, 3, 6, 6),
    "Heads": lambda: torch.randn(5, 6),
    "Gated": lambda: torch.randn(5, 6),
    "Transformer": lambda: torch.randint(0, 11, (5, 7)),
    "encoder_layer": lambda: torch.randn(5, 7, 8),
}


@pytest.fixture
def models() -> SimpleNamespace:
    return SimpleNamespace(**{name: globals()[name] for name in SAMPLES}, Block=Block)


@pytest.fixture(params=SAMPLES)
def model(request: pytest.FixtureRequest) -> nn.Module:
    """Each of the models in turn."""
    return globals()[request.param]()


@pytest.fixture
def sample_of():
    """A batch that a model takes."""
    return lambda model: SAMPLES[
        {"Sequential": "mlp", "TransformerEncoderLayer": "encoder_layer"}.get(name := type(model).__name__, name)
    ]()
