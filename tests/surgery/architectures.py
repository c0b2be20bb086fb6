"""Well-known architectures, after their papers, without weights from elsewhere."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VGG16 = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


class VGG(nn.Module):
    """Simonyan & Zisserman 2015, arXiv:1409.1556, configuration D, with batch norm; for small images, as on CIFAR."""

    def __init__(self, classes: int = 10, divisor: int = 1, dropout: float = 0.5, size: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in VGG16:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [
                nn.Conv2d(channels, width // divisor, 3, padding=1),
                nn.BatchNorm2d(width // divisor),
                nn.ReLU(True),
            ]
            channels = width // divisor
        self.features = nn.Sequential(*layers)
        inputs, hidden = channels * (size // 32) ** 2, 512 // divisor
        self.classifier = nn.Sequential(
            *(nn.Linear(inputs, hidden), nn.ReLU(True), nn.Dropout(dropout)),
            *(nn.Linear(hidden, hidden), nn.ReLU(True), nn.Dropout(dropout), nn.Linear(hidden, classes)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


class BasicBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class ResNet18(nn.Module):
    """He et al. 2016, arXiv:1512.03385, table 1."""

    def __init__(self, classes: int = 1000, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        blocks, inputs = [], width
        for stage in range(4):
            outputs = width * 2**stage
            blocks.append(nn.Sequential(BasicBlock(inputs, outputs, 1 + (stage > 0)), BasicBlock(outputs, outputs, 1)))
            inputs = outputs
        self.layers = nn.Sequential(*blocks)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(self.layers(x).mean((2, 3)))


class DenseLayer(nn.Module):
    def __init__(self, inputs: int, growth: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))
        return torch.cat([x, F.dropout(y, self.dropout, self.training) if self.dropout else y], 1)


class DenseNet121(nn.Module):
    """Huang et al. 2017, arXiv:1608.06993, table 1. Its dropout, of the experiments without augmentation, is 0.2."""

    def __init__(self, classes: int = 1000, growth: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        channels = 2 * growth
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 7, 2, 3, bias=False), nn.BatchNorm2d(channels), nn.ReLU(True)]
        layers.append(nn.MaxPool2d(3, 2, 1))
        for number, depth in enumerate((6, 12, 24, 16)):
            if number:
                layers += [nn.BatchNorm2d(channels), nn.ReLU(True), nn.Conv2d(channels, channels // 2, 1, bias=False)]
                layers.append(nn.AvgPool2d(2))
                channels //= 2
            for _ in range(depth):
                layers.append(DenseLayer(channels, growth, dropout))
                channels += growth
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(True))
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))
