"""Random small networks: the hardware gives the reference's integers, and in the cycles that the plan says."""

import hypothesis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnn2fpga.errors import Refusal
from dnn2fpga.flow.engines import Pysim, Stalls
from dnn2fpga.flow.simulate import simulate
from dnn2fpga.hw.choose import Budget, choices_of, choose, cycle_targets
from dnn2fpga.hw.plan import GENERIC, assemble
from dnn2fpga.hw.resources import Resources
from dnn2fpga.hw.schedule import IMAGES
from dnn2fpga.kinds import FOLDINGS
from dnn2fpga.quant.ops.rectifiers import ELU, SELU, LeakyReLU
from dnn2fpga.quant.ops.relu import BentReLU
from dnn2fpga.quant.ops.smooth import Exponential, Gelu, HardSigmoid, HardSilu, Silu, Softplus, Softsign
from dnn2fpga.quant.ops.softmax import Softmax
from dnn2fpga.quant.ops.table import Sigmoid, Table, Tanh

from .networks import Builder

TABLES = (
    Tanh(), Sigmoid(), BentReLU(0.5), BentReLU(None, 0.1, 0.2), LeakyReLU(), ELU(), SELU(), Softplus(), Softsign(),
    HardSigmoid(), Silu(), HardSilu(), Gelu(), Exponential(),
)  # fmt: skip

MOST_CYCLES = 400
"""An image may take this many cycles, or else Amaranth's simulator takes too long."""


@st.composite
def networks(draw, floats):
    """An integer model of one to five layers, and images for it; with `floats` some layers are in floating point."""
    height, width, channels = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    builder = Builder((height, width, channels), seed=draw(st.integers(0, 2**32 - 1)))
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            _add_window(draw, builder)
        else:
            _add_activation(draw, builder)
    if draw(st.booleans()):
        builder.flatten().dense(draw(st.integers(1, 6)))
        ending = draw(st.sampled_from(["logits", "softmax", "activation"]))
        if ending == "softmax":
            builder.softmax()
        elif ending == "activation":
            _add_activation(draw, builder)
    if not any(FOLDINGS[node.spec.kind] for node in builder.nodes):
        builder.relu()
    scheme = _scheme(draw, builder, floats)
    try:
        return builder.quantized(**scheme, signed=draw(st.booleans())), builder.samples(IMAGES)
    except Refusal as refusal:  # random weights of one bit may give sums much coarser than the outputs were
        if "one step of the sum is worth" not in str(refusal):
            raise
        hypothesis.reject()


def _scheme(draw, builder, floats):
    """Any numbers that the network can be in."""
    bits = st.one_of(st.integers(1, 8), st.just(16))
    kinds = {node.spec.kind for node in builder.nodes}
    # a table of 16-bit values is too large to simulate
    tables = any(isinstance(node.spec, Table | Softmax) for node in builder.nodes)
    activation_bits = draw(st.integers(1, 8) if tables else bits)
    scheme = {
        "weight_bits": draw(bits), "activation_bits": activation_bits,
        "symmetric": draw(st.booleans()), "per_channel": draw(st.booleans()), "power_of_two": draw(st.booleans()),
        "sign": "relu" not in kinds and draw(st.booleans()),
        "calibration": draw(st.sampled_from(["min_max", "mse"])),
    }  # fmt: skip
    if activation_bits == 1 and kinds & {"relu", "prelu"}:
        scheme |= {"activation_bits": 2}  # a signed bit is a sign, behind which a ReLU has nothing to do
    with_kernel = [node.name for node in builder.nodes if node.spec.has_kernel]
    if floats and with_kernel:
        scheme["floating"] = draw(st.frozensets(st.sampled_from(with_kernel), min_size=1))
        scheme["float_format"] = draw(st.sampled_from(["float32", "bfloat16", "float16"]))
    return scheme


def _add_window(draw, builder):
    kernel, strides = draw(st.tuples(*[st.integers(1, 3)] * 2)), draw(st.tuples(*[st.integers(1, 2)] * 2))
    padding = draw(st.sampled_from(["valid", "same"]))
    if padding == "valid":
        kernel = (min(kernel[0], builder.shape[0]), min(kernel[1], builder.shape[1]))
    if draw(st.booleans()):
        builder.conv(draw(st.integers(1, 4)), kernel, strides, padding)
    else:
        builder.pool(kernel, strides, padding)


def _add_activation(draw, builder):
    found = draw(st.sampled_from(["relu", "prelu", "softmax", *TABLES]))
    if found in TABLES:
        builder.add(found)
    elif found == "softmax":
        builder.softmax().relu()  # so that it is none at the end
    else:
        getattr(builder, found)()


def planned(qgraph, speed):
    """A plan of `qgraph`: `speed` 0 is the slowest that is not too slow to simulate, 1 the fastest."""
    budget = Budget(GENERIC, Resources())
    choices = choices_of(qgraph, FOLDINGS, budget)
    targets = cycle_targets(choices)
    possible = [t for t in targets if choose(choices, t, budget)]
    fit = [t for t in possible if t <= MOST_CYCLES] or possible[:1]
    chosen, _ = choose(choices, fit[round((1 - speed) * (len(fit) - 1))], budget)
    return assemble(qgraph.name, chosen, budget, 100.0)


SLOW = [pytest.param(part, examples, marks=pytest.mark.slow) for part, examples in ((4, 200), ("floats", 40))]


# Some parts, so that several processes share the work; one has layers in floating point.
@pytest.mark.parametrize(("part", "examples"), [(0, 20), (1, 20), (2, 20), (3, 20), ("floats", 8), *SLOW])
def test_random_networks(part, examples):
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(network=networks(part == "floats"), speed=st.floats(0, 1), seed=st.integers(1, 2**32 - 1))
    def check(network, speed, seed):
        qgraph, x = network
        plan = planned(qgraph, speed)
        flowing = simulate(plan, qgraph, x, Pysim())
        assert flowing.mismatches == 0, flowing.first
        assert flowing.latency_cycles == plan.latency_cycles
        assert flowing.cycles_per_image == plan.cycles_per_image
        stalled = simulate(plan, qgraph, x, Pysim(), stalls=Stalls(0.5, 0.5, seed))
        assert stalled.mismatches == 0, stalled.first

    hypothesis.seed(part)(check)()  # the same examples every time, other ones in each part
