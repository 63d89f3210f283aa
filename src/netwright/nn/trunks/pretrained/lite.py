"""EfficientNet-lite0 under the names of its published weights (Tan & Le 2019, arXiv 1905.11946; lite: no squeezing, ReLU6).

B rows, C channels, H×W pixels.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

STAGES = (  # kernel, stride, expansion, channels, blocks
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
)  # fmt: skip


class Same(nn.Conv2d):
    """A convolution padded as TensorFlow does, where the weights come from: the odd pixel stands behind."""

    def forward(self, input: Tensor) -> Tensor:
        (k, _), (s, _) = self.kernel_size, self.stride
        down, right = (max((-(-size // s) - 1) * s + k - size, 0) for size in input.shape[-2:])
        if down or right:
            input = F.pad(input, (right // 2, right - right // 2, down // 2, down - down // 2))
        return F.conv2d(input, self.weight, self.bias, self.stride, 0, 1, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """Widen, filter each channel, narrow; added to what came where the shapes allow it."""

    def __init__(self, coming: int, going: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = coming * expansion
        self.adds = stride == 1 and coming == going
        self._expand_conv = nn.Conv2d(coming, wide, 1, bias=False) if expansion > 1 else None
        self._bn0 = _norm(wide) if expansion > 1 else None
        self._depthwise_conv = Same(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = nn.Conv2d(wide, going, 1, bias=False)
        self._bn2 = _norm(going)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride)."""
        y = x if self._expand_conv is None or self._bn0 is None else F.relu6(self._bn0(self._expand_conv(x)))
        y = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.adds else y


class Net(nn.Module):
    """Images (B, 3, H, W) -> the mean over places of the last channels (B, 1280)."""

    width = 1280

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = Same(3, 32, 3, 2, bias=False), _norm(32)
        blocks, coming = [], 32
        for kernel, stride, expansion, channels, count in STAGES:
            for number in range(count):
                blocks.append(Block(coming, channels, kernel, stride if number == 0 else 1, expansion))
                coming = channels
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = nn.Conv2d(320, self.width, 1, bias=False), _norm(self.width)

    @property
    def blocks(self) -> nn.ModuleList:
        """Its blocks, first to last."""
        return self._blocks

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1280)."""
        x = F.relu6(self._bn0(self._conv_stem(pixels)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))
