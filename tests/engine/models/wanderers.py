"""Classifiers of 8-pixel images that no tracer can follow: where the pass goes depends on the images."""

import torch
from torch import Tensor, nn

CLASSES, SIDE = 3, 8


class Choosy(nn.Module):
    """A block that takes one of two ways, by its input."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm(self.left(x) if x.mean() > 0.3 else self.right(x))


class Wanderer(nn.Module):
    """As many users' models: glue in forward, a choice in every block, a reused activation, dropout before the head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.relu = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.layers = nn.ModuleList([Choosy(), Choosy(), Choosy()])
        self.classifier = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        batch, colours = images.shape[0], images.shape[1]
        if colours != 3:
            raise ValueError("colour images only")
        x = self.relu(self.norm(self.stem(images)))
        for layer in self.layers:
            x = self.relu(layer(x))
        return self.classifier(x.mean((2, 3)).reshape(batch, -1))


class Tokens(nn.Module):
    """Parameters of its own between the layers, as a vision transformer has, and a length that it asks the tensor
    for."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 4, 4)
        self.token, self.position = nn.Parameter(torch.randn(1, 1, 6)), nn.Parameter(torch.randn(1, 5, 6))
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(6, 2, 8, batch_first=True) for _ in range(2)])
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.fc(x[:, 0])


class Shortcut(nn.Module):
    """The images are added to what its second layer gives, in place, and the third layer has a bypass: no cut before or
    between them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.three, self.fc = nn.Conv2d(3, 3, 1), nn.Linear(3, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        x = self.one(images)
        if x.isnan().any():
            return x
        y = self.two(x)
        y += images
        y = y + self.three(y)
        return self.fc(y.mean((2, 3)))


class Fork(nn.Module):
    """A choice between its layers, of which one is called twice: behind it only the head can be cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.last, self.fc = nn.Conv2d(4, 4, 1), nn.Linear(4, CLASSES)
        nn.init.constant_(self.stem.weight, 1 / 3)
        nn.init.zeros_(self.stem.bias)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        x = self.left(x) if x.mean() > 0.3 else self.right(self.right(x))
        return self.fc(self.last(x).mean((2, 3)))


class Knot(Fork):
    """Even its head cannot be cut off: a parameter that starts at 1 comes after it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * self.scale


class Twice(nn.Module):
    """A layer that is called twice, another that shares its weight, and a way that something outside chooses."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.other = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.again, self.middle, self.tied = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.tied.weight = self.again.weight
        self.fc, self.detour = nn.Linear(4, CLASSES), False

    def forward(self, images: Tensor) -> Tensor:
        x = self.other(images) if self.detour else self.stem(images)
        x = self.tied(self.again(self.middle(self.again(x))))
        return self.fc(x.mean((2, 3))) if x.mean() < 1e9 else x
