"""Operators that move values, and those at the ends of a network."""

from __future__ import annotations

import math

from ...errors import Refusal
from ..fixed import Format
from ..graph import QNode
from ..ops.concatenate import Concatenate
from ..ops.flatten import Flatten
from ..ops.reshape import Reshape
from ..ops.softmax import Softmax
from ..ops.zero_padding import ZeroPadding
from .site import ONE_BATCH, Site


def reshape(site: Site) -> list[QNode]:
    """The same values over other axes."""
    site.same_format()
    shape = site.arriving().shape
    if math.prod(site.output_shape) != math.prod(shape):
        raise Refusal(f"from {shape} to {site.output_shape}: it moves values into the batch; {ONE_BATCH}")
    if site.output_shape == shape:
        return []
    to_one_axis = site.output_shape == (math.prod(shape),)
    return [site.node(Flatten() if to_one_axis else Reshape(site.output_shape))]


def pad(site: Site) -> list[QNode]:
    """Zeros around an image: a layer of its own, which the windows behind it could hold as a border."""
    site.same_format()
    margins = site.constant(1, "paddings", "INT32")
    if len(margins) not in (3, 4) or margins[0].any() or margins[-1].any() or margins.min() < 0:
        raise Refusal(f"paddings {margins.tolist()} are not supported; pad height and width of an image, or a sequence")
    (top, bottom), (left, right) = [[0, 0], *margins[1:-1].tolist()][-2:]
    return [site.node(ZeroPadding(((top, bottom), (left, right))))]


def concatenation(site: Site) -> list[QNode]:
    """Tensors behind one another, in one format."""
    count, axis = len(site.inputs), site.option("Axis")
    rank = len(site.output.shape)
    if site.option("FusedActivationFunction") != "NONE":
        raise Refusal("its fused activation is not supported; put it into a layer of its own")
    if axis % rank == 0:
        raise Refusal("axis 0, that of the batch, is not supported; use the channels")
    for at in range(count):
        site.same_format(at)
    if count == 1:
        return []
    return [site.node(Concatenate(axis % rank - 1), reads=count)]


def softmax(site: Site) -> list[QNode]:
    """At the end of a network: the hardware gives the logits and the winner, the host the probabilities."""
    i, (classes, *more) = site.arriving().fmt, site.arriving().shape[::-1]
    assert isinstance(i, Format)
    if not site.last or more:
        raise Refusal("softmax is supported at the end of a network, over one axis; quantize the Keras model itself")
    if site.o != Format(8, True, 2.0**-8, -128):
        raise Refusal("its output must be int8 with scale 1/256 and zero point -128")
    if classes - 1 > i.maximum:
        raise Refusal(f"the winner of {classes} classes does not fit into int8; leave softmax out of the model")
    if site.option("Beta") != 1:
        raise Refusal(f"its beta {site.option('Beta')} is not supported; use 1")
    return [site.node(Softmax(), o=i, output_shape=(classes + 1,))]


def dequantize(site: Site) -> list[QNode]:
    """At the end: the integers stay as they are."""
    if not site.last:
        raise Refusal("not full-int8: what follows it computes in floats")
    return []
