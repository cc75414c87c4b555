"""The hardware language: components to put together by hand, in any Amaranth design.

Every component has streams `i` and `o` of lanes (see `lanes`). Constants are NumPy integers; shapes are Amaranth's.
"""

from ..quant.ops.window import Window
from .conv2d import Conv2D, Conv2DFolding
from .dense import Dense, DenseFolding, Sums
from .join import Join, JoinFolding
from .mac import AdderTree, MacArray
from .max_pool2d import MaxPool2D, MaxPool2DFolding
from .pipeline import Pipeline
from .primitives.multiplier import Multiplier
from .relu import ReLU
from .requantize import Requantize, Rescale
from .softmax import Winner
from .stream import MasterSlave, Narrow, Widen, connect, lanes
from .table import Table
from .window import SlidingWindow

__all__ = [
    "AdderTree", "Conv2D", "Conv2DFolding", "Dense", "DenseFolding", "Join", "JoinFolding", "MacArray", "MasterSlave",
    "MaxPool2D", "MaxPool2DFolding", "Multiplier", "Narrow", "Pipeline", "ReLU", "Requantize", "Rescale",
    "SlidingWindow", "Sums", "Table", "Widen", "Window", "Winner", "connect", "lanes",
]  # fmt: skip
