"""The hardware language: components to put together by hand, in any Amaranth design.

Every layer has streams `i` and `o` of lanes (see `lanes`); one that reads several has `i0`, `i1`, …. Constants are
NumPy integers; shapes are Amaranth's. Floats travel as the ordered codes of a `FloatFormat`; `hw.floating` holds the
arithmetic.
"""

from ..quant.floating import FloatFormat
from ..quant.ops.window import Window
from . import floating
from .conv2d import Conv2D, Conv2DFolding
from .cropping import Cropper, CroppingFolding
from .dense import Dense, DenseFolding
from .float_dense import FloatDenseFolding, FloatSums
from .floating.dense import FloatDense
from .global_pool import GlobalPooler, GlobalPoolFolding
from .in_turn import InTurn, InTurnFolding
from .join import Join, JoinFolding
from .mac import AdderTree, MacArray
from .max_pool2d import MaxPool2D, MaxPool2DFolding
from .maximum import Maximum, MaximumFolding
from .multiply import Multiply, MultiplyFolding
from .permute import PermuteFolding, Permuter
from .pipeline import Pipeline
from .popcount import Popcount
from .prelu import PReLU, PReLUFolding
from .primitives.multiplier import Multiplier
from .products import products_of
from .relu import ReLU
from .requantize import Requantize, Rescale
from .row_softmax import RowSoftmax, RowSoftmaxFolding
from .slice import Slice, SliceFolding
from .softmax import Winner
from .stream import MasterSlave, Narrow, Widen, connect, fork, lanes
from .sums import Sums
from .table import Table
from .up_sampling import UpSampler, UpSamplingFolding
from .window import SlidingWindow
from .zero_padding import ZeroPadder, ZeroPaddingFolding
from .zip import Zip, ZipFolding

__all__ = [
    "AdderTree", "Conv2D", "Conv2DFolding", "Cropper", "CroppingFolding", "Dense", "DenseFolding", "FloatDense",
    "FloatDenseFolding", "FloatFormat", "FloatSums", "GlobalPoolFolding", "GlobalPooler", "InTurn",
    "InTurnFolding", "Join", "JoinFolding", "MacArray", "MasterSlave", "MaxPool2D", "MaxPool2DFolding", "Maximum",
    "MaximumFolding", "Multiplier", "Multiply", "MultiplyFolding", "Narrow", "PReLU", "PReLUFolding",
    "PermuteFolding", "Permuter", "Pipeline", "Popcount", "ReLU", "Requantize", "Rescale", "RowSoftmax",
    "RowSoftmaxFolding", "Slice", "SliceFolding", "SlidingWindow", "Sums", "Table", "UpSampler",
    "UpSamplingFolding", "Widen", "Window", "Winner", "ZeroPadder", "ZeroPaddingFolding", "Zip", "ZipFolding",
    "connect", "floating", "fork", "lanes", "products_of",
]  # fmt: skip
