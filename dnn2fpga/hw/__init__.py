"""The hardware language: components to put together by hand, in any Amaranth design.

Every layer has streams `i` and `o` of lanes (see `lanes`). Constants are NumPy integers; shapes are Amaranth's. Floats
travel as the ordered codes of a `FloatFormat`; `hw.floating` holds the arithmetic.
"""

from ..quant.floating import FloatFormat
from ..quant.ops.window import Window
from . import floating
from .conv2d import Conv2D, Conv2DFolding
from .dense import Dense, DenseFolding, Sums
from .float_dense import FloatDenseFolding, FloatSums
from .floating.dense import FloatDense
from .join import Join, JoinFolding
from .mac import AdderTree, MacArray
from .max_pool2d import MaxPool2D, MaxPool2DFolding
from .pipeline import Pipeline
from .popcount import Popcount
from .prelu import PReLU, PReLUFolding
from .primitives.multiplier import Multiplier
from .products import products_of
from .relu import ReLU
from .requantize import Requantize, Rescale
from .row_softmax import RowSoftmax, RowSoftmaxFolding
from .softmax import Winner
from .stream import MasterSlave, Narrow, Widen, connect, lanes
from .table import Table
from .window import SlidingWindow

__all__ = [
    "AdderTree", "Conv2D", "Conv2DFolding", "Dense", "DenseFolding", "FloatDense", "FloatDenseFolding", "FloatFormat",
    "FloatSums", "Join", "JoinFolding", "MacArray", "MasterSlave", "MaxPool2D", "MaxPool2DFolding", "Multiplier",
    "Narrow", "PReLU", "PReLUFolding", "Pipeline", "Popcount", "ReLU", "Requantize", "Rescale", "RowSoftmax",
    "RowSoftmaxFolding", "SlidingWindow", "Sums", "Table", "Widen", "Window", "Winner", "connect",
    "floating", "lanes", "products_of",
]  # fmt: skip
