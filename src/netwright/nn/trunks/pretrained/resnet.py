"""ResNet-18 and -50 under the names of their published weights (He et al. 2015, arXiv 1512.03385; the stride of a bottleneck
stands in its middle convolution). B rows, C channels, H×W pixels."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

DEPTHS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


class Block(nn.Module):
    """Two convolutions, or three with a narrow middle; added to what came, brought to the same shape."""

    def __init__(self, coming: int, channels: int, stride: int, *, narrow: bool) -> None:
        super().__init__()
        going = channels * (4 if narrow else 1)
        self.narrow = narrow
        if narrow:
            self.conv1, self.bn1 = nn.Conv2d(coming, channels, 1, bias=False), nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
            self.conv3, self.bn3 = nn.Conv2d(channels, going, 1, bias=False), nn.BatchNorm2d(going)
        else:
            self.conv1, self.bn1 = nn.Conv2d(coming, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride > 1 or coming != going:
            self.downsample = nn.Sequential(nn.Conv2d(coming, going, 1, stride, bias=False), nn.BatchNorm2d(going))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride)."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.narrow:
            y = self.bn3(self.conv3(F.relu(y)))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Net(nn.Module):
    """Images (B, 3, H, W) -> the mean over places of the last channels, (B, 512) or (B, 2048)."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        narrow = depth >= 50
        self.width = 2048 if narrow else 512
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        coming = 64
        for number, count in enumerate(DEPTHS[depth]):
            channels, blocks = 64 * 2**number, []
            for place in range(count):
                blocks.append(Block(coming, channels, 2 if number and not place else 1, narrow=narrow))
                coming = channels * (4 if narrow else 1)
            setattr(self, f"layer{number + 1}", nn.Sequential(*blocks))

    @property
    def blocks(self) -> list[nn.Module]:
        """Its blocks, first to last."""
        return [block for number in range(1, 5) for block in getattr(self, f"layer{number}")]

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 512 or 2048)."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(pixels))), 3, 2, 1)
        for block in self.blocks:
            x = block(x)
        return x.mean((2, 3))
