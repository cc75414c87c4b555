"""Models of one operator with random shapes, scales and zero points."""

import numpy as np

from .maker import Maker


class Random(Maker):
    """A maker that draws."""

    def __init__(self, seed):
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def activation(self, shape, scale=None):
        return self.tensor((1, *shape), scale or float(self.rng.uniform(0.01, 0.2)), int(self.rng.integers(-128, 128)))

    def like(self, tensor, shape):
        known = self.tensors[tensor]
        return self.tensor((1, *shape), known["scales"][0], known["zeros"][0])

    def weights(self, shape, channels, axis):
        scales = self.rng.uniform(0.001, 0.02, channels)
        return self.tensor(shape, scales, data=self.rng.integers(-127, 128, shape), axis=axis)

    def bias(self, channels):
        data = self.rng.integers(-3000, 3000, channels)
        return self.tensor((channels,), np.full(channels, 0.001), type_="INT32", data=data)

    def fused(self):
        return {"FusedActivationFunction": int(self.rng.choice([0, 1, 3]))}

    def window(self):
        strides = dict(zip(("StrideH", "StrideW"), self.rng.integers(1, 3, 2).tolist(), strict=True))
        return {**strides, "Padding": int(self.rng.integers(2))}


def conv(m):
    x, c, f = m.activation((6, 5, 3)), 3, 4
    height, width = m.rng.integers(1, 4, 2).tolist()
    w, b = m.weights((f, height, width, c), f, 0), m.bias(f)
    options = m.window()
    shape = placed((6, 5), (height, width), options)
    return x, m.operator("CONV_2D", [x, w, b], m.activation((*shape, f), 0.3), **options, **m.fused())


def depthwise(m):
    x, c = m.activation((6, 5, 3)), 6
    w, b = m.weights((1, 3, 2, c), c, 3), m.bias(c)
    options = m.window()
    y = m.activation((*placed((6, 5), (3, 2), options), c), 0.2)
    return x, m.operator("DEPTHWISE_CONV_2D", [x, w, b], y, DepthMultiplier=2, **options, **m.fused())


def dense(m):
    x = m.activation((20,))
    w = m.tensor((5, 20), float(m.rng.uniform(0.001, 0.02)), data=m.rng.integers(-127, 128, (5, 20)))
    return x, m.operator("FULLY_CONNECTED", [x, w, m.bias(5)], m.activation((5,), 0.3), **m.fused())


def dense_with_ties(m):
    x = m.tensor((1, 2), 1.0, 0)
    w = m.tensor((1, 2), 2.0 ** -int(m.rng.integers(1, 5)), data=[[1, 3]])
    return x, m.operator("FULLY_CONNECTED", [x, w, -1], m.tensor((1, 1), 1.0, 3))


def conv_with_ties(m):
    x = m.tensor((1, 4, 3, 2), 1.0, 0)
    scales = [0.5, 0.25, 0.125]
    w = m.tensor((3, 2, 2, 2), scales, data=m.rng.integers(-4, 5, (3, 2, 2, 2)))
    b = m.tensor((3,), scales, type_="INT32", data=m.rng.integers(-9, 10, 3))
    return x, m.operator("CONV_2D", [x, w, b], m.tensor((1, 3, 2, 3), 1.0, -5), StrideH=1, StrideW=1, Padding=1)


def pool(name):
    def build(m):
        x = m.activation((6, 5, 3))
        kernel = m.rng.integers(1, 4, 2).tolist()
        options = m.window()
        y = m.like(x, (*placed((6, 5), kernel, options), 3))
        return x, m.operator(name, [x], y, FilterHeight=kernel[0], FilterWidth=kernel[1], **options, **m.fused())

    return build


def mean(m):
    x = m.activation((4, 3, 5))
    axes = m.tensor((2,), type_="INT32", data=[1, 2])
    keep = bool(m.rng.integers(2))
    return x, m.operator("MEAN", [x, axes], m.activation((1, 1, 5) if keep else (5,)), KeepDims=keep)


def join(name):
    def build(m):
        x = m.activation((3, 2, 4))
        halves = [m.operator("RELU", [x], m.activation((3, 2, 4))), m.operator("TANH", [x], m.activation((3, 2, 4)))]
        return x, m.operator(name, halves, m.activation((3, 2, 4)), **m.fused())

    return build


def by_constant(name):
    """Of one value a channel, or one for all, on either side."""

    def build(m):
        x = m.activation([(3, 2, 4), (5, 4), (4,)][m.rng.integers(3)])
        shape = [(4,), (1, 4), (1,), ()][m.rng.integers(4)]
        scale, zero = float(m.rng.uniform(0.001, 0.2)), int(m.rng.integers(-128, 128))
        constant = m.tensor(shape, scale, zero, data=m.rng.integers(-128, 128, shape))
        inputs = [x, constant] if m.rng.integers(2) else [constant, x]
        return x, m.operator(name, inputs, m.activation(m.tensors[x]["shape"][1:], 0.1), **m.fused())

    return build


def mean_of_sequence(m):
    x = m.activation((7, 5))
    return x, m.operator("MEAN", [x, m.tensor((1,), type_="INT32", data=[1])], m.activation((5,)), KeepDims=False)


def table(name, scale=None, zero=None, **options):
    def build(m):
        x = m.activation((256,))
        y = m.activation((256,)) if scale is None else m.tensor((1, 256), scale, zero)
        return x, m.operator(name, [x], y, **options)

    return build


def logistic_of_far(m):
    x = m.tensor((1, 256), 9.0, 3)
    return x, m.operator("LOGISTIC", [x], m.tensor((1, 256), 1 / 256, -128))


def concatenation(m):
    x = m.activation((3, 2, 4))
    halves = [m.operator("RELU", [x], m.tensor((1, 3, 2, 4), 0.1, -7)) for _ in range(2)]
    return x, m.operator("CONCATENATION", halves, m.tensor((1, 3, 2, 8), 0.1, -7), Axis=3)


def pad(m):
    x = m.activation((3, 4, 2))
    margins = m.tensor((4, 2), type_="INT32", data=[[0, 0], [1, 2], [0, 1], [0, 0]])
    return x, m.operator("PAD", [x, margins], m.like(x, (6, 5, 2)))


def pad_sequence(m):
    x = m.activation((5, 2))
    margins = m.tensor((3, 2), type_="INT32", data=[[0, 0], [2, 1], [0, 0]])
    return x, m.operator("PAD", [x, margins], m.like(x, (8, 2)))


def expand_dims(m):
    x = m.activation((5, 2))
    return x, m.operator("EXPAND_DIMS", [x, m.tensor((), type_="INT32", data=1)], m.like(x, (1, 5, 2)))


def reshape(m):
    x = m.activation((3, 4, 2))
    shape = m.tensor((2,), type_="INT32", data=[1, 24])
    return x, m.operator("RESHAPE", [x, shape], m.like(x, (24,)))


def softmax(m):
    x = m.activation((10,))
    return x, m.operator("SOFTMAX", [x], m.tensor((1, 10), 1 / 256, -128), Beta=1.0)


OPERATORS = {
    "conv": conv, "conv_with_ties": conv_with_ties, "depthwise": depthwise, "dense": dense,
    "dense_with_ties": dense_with_ties, "average": pool("AVERAGE_POOL_2D"), "max": pool("MAX_POOL_2D"), "mean": mean,
    "mean_of_sequence": mean_of_sequence, "add": join("ADD"), "mul": join("MUL"),
    "add_constant": by_constant("ADD"), "mul_constant": by_constant("MUL"), "concatenation": concatenation,
    "pad": pad, "pad_sequence": pad_sequence, "reshape": reshape, "expand_dims": expand_dims,
    "relu": table("RELU"), "relu6": table("RELU6"), "tanh": table("TANH"), "quantize": table("QUANTIZE"),
    "logistic": table("LOGISTIC", 1 / 256, -128), "logistic_of_far": logistic_of_far,
    "leaky_relu": table("LEAKY_RELU", Alpha=0.2), "softmax": softmax,
}  # fmt: skip


def placed(image, kernel, options):
    """The size that a window leaves: padding 0 is `same`."""
    strides = options["StrideH"], options["StrideW"]
    if options["Padding"] == 0:
        return [-(-size // stride) for size, stride in zip(image, strides, strict=True)]
    return [(size - k) // stride + 1 for size, k, stride in zip(image, kernel, strides, strict=True)]
