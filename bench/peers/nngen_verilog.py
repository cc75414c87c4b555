"""NNgen: a network on a processor of streams, its weights behind AXI. Run in the peer's own environment.

    python nngen_verilog.py NETWORK PARALLEL OUT

PARALLEL input channels and as many output channels are worked on at once. It writes Verilog to the folder OUT,
simulates an inference in Verilator against NNgen's own integers, and prints its figures as JSON. The memory that
weights and activations come from is a model beside the design: its controller is counted nowhere.
"""

import contextlib
import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nngen as ng
import numpy as np
import veriloggen.thread as vthread
import veriloggen.types.axi as axi
from veriloggen import Delay, Module, Not, Seq, Systask, simulation

AXI_BITS = 32
CHUNK = 64
"""Bytes that everything in the memory is aligned to."""


class Weights:
    """Makes the layers of a network, with random weights, on which neither speed nor size depends."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.layers = []

    def _variable(self, dtype, shape, name, value=None):
        variable = ng.variable(dtype=dtype, shape=shape, name=f"{name}{len(self.layers)}")
        random = np.clip(self.rng.normal(size=variable.length), -3, 3).reshape(variable.shape)
        variable.set_value(random if value is None else np.full(variable.shape, value))
        return variable

    def _constants(self, shape, filters):
        return self._variable(ng.int8, shape, "weight"), {
            "bias": self._variable(ng.int32, (filters,), "bias"),
            "scale": self._variable(ng.int8, (filters,), "scale", 1.0),
        }

    def conv(self, x, filters):
        """3×3 with ReLU."""
        weight, constants = self._constants((filters, 3, 3, x.shape[-1]), filters)
        y = ng.conv2d(
            x, weight, strides=(1, 1, 1, 1), act_func=ng.relu, padding="VALID",
            dtype=ng.int8, sum_dtype=ng.int32, **constants,
        )  # fmt: skip
        self.layers.append(y)
        return y

    def dense(self, x, units, relu=True):
        """With ReLU, save at the end."""
        weight, constants = self._constants((units, x.shape[-1]), units)
        act, name = (ng.relu, None) if relu else (None, "output")
        y = ng.matmul(
            x, weight, transposed_b=True, act_func=act, dtype=ng.int8, sum_dtype=ng.int32, name=name, **constants
        )
        self.layers.append(y)
        return y


def seed_cnn(make):
    """Two convolutions of 12 filters, max-pooling, dense."""
    x = placeholder(1, 28, 28, 1)
    pool = pooled(make.conv(make.conv(x, 12), 12))
    return x, make.dense(ng.reshape(pool, [1, -1]), 10, relu=False), [pool]


def jet_mlp(make):
    """16-64-32-32-5."""
    x = y = placeholder(1, 16)
    for units in (64, 32, 32):
        y = make.dense(y, units)
    return x, make.dense(y, 5, relu=False), []


def tiny_cnn(make):
    """A convolution of 4 filters, max-pooling, dense."""
    x = placeholder(1, 8, 8, 1)
    pool = pooled(make.conv(x, 4))
    return x, make.dense(ng.reshape(pool, [1, -1]), 10, relu=False), [pool]


def placeholder(*shape):
    """What comes in."""
    return ng.placeholder(dtype=ng.int8, shape=shape, name="input")


def pooled(x):
    """2×2."""
    return ng.max_pool_serial(x, ksize=(1, 2, 2, 1), strides=(1, 2, 2, 1))


def main():
    """Make, simulate, print."""
    network, parallel, out = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    with contextlib.redirect_stdout(sys.stderr):
        figures = run(network, parallel, out)
    print(json.dumps(figures))


def run(network, parallel, out):
    """The figures of a network."""
    os.chdir(out)
    start = time.perf_counter()
    make = Weights()
    x, y, pools = globals()[network](make)
    channels = x.shape[-1]
    ng.quantize([y], {"input": 64}, {"input": np.zeros(channels)}, {"input": np.full(channels, 64.0)})
    for layer in make.layers:
        layer.attribute(par_ich=parallel, par_och=parallel)
    for pool in pools:
        pool.attribute(par=parallel)
    name = f"nngen_{network}"
    target = ng.to_veriloggen([y], name, config={"maxi_datawidth": AXI_BITS})
    constants = ng.export_ndarray([y], CHUNK)
    source = out / f"{name}.v"
    target.to_verilog(str(source))
    seconds = time.perf_counter() - start
    cycles, rate = simulated(target, x, y, constants, parallel)
    return {
        "cycles_per_image": cycles, "latency_cycles": cycles, "seconds_to_verilog": seconds,
        "simulated_images_per_second": rate, "simulator": "Verilator",
        "sources": [str(source)], "top": name, "clock": "CLK",
    }  # fmt: skip


def simulated(target, x, y, constants, parallel):
    """Cycles from start to end of one inference, and inferences a second in Verilator."""
    image = np.clip(np.round(np.random.default_rng(1).normal(size=x.shape) * 32), -127, 127).astype(np.int64)
    [expected] = ng.eval([y], input=image)
    bits = x.dtype.width
    at_constants = aligned(x.addr + x.memory_size)
    at_expected = aligned(at_constants + len(constants))
    scratch = aligned(at_expected + y.memory_size)
    memory = np.full([1 << 18], 100, dtype=np.int64)
    granule = max(AXI_BITS // bits, parallel)
    axi.set_memory(memory, image, AXI_BITS, bits, x.addr, granule)
    axi.set_memory(memory, constants, AXI_BITS, 8, at_constants)
    axi.set_memory(memory, expected, AXI_BITS, bits, at_expected, granule)

    bench = Module("bench")
    bench.copy_params(target)
    ports = bench.copy_sim_ports(target)
    clk, resetn = ports["CLK"], ports["RESETN"]
    rst = bench.Wire("RST")
    rst.assign(Not(resetn))
    model = axi.AxiMemoryModel(
        bench,
        "memory",
        clk,
        rst,
        datawidth=AXI_BITS,
        memimg=memory,
        memimg_name="memory.out",
        memimg_datawidth=AXI_BITS,
    )
    model.connect(ports, "maxi")
    control = vthread.AXIMLite(bench, "control", clk, rst, noio=True)
    control.connect(ports, "saxi")
    clocks = bench.Reg("clocks", 32, initval=0)
    Seq(bench, "seq", clk, rst)(clocks.inc())

    # What follows is read by veriloggen, which makes a state machine of it: it knows little Python.
    def drive():
        for i in range(100):  # noqa: B007
            pass
        ng.sim.set_global_addrs(control, scratch)
        begin = clocks.value
        ng.sim.start(control)
        ng.sim.wait(control)
        end = clocks.value
        print("cycles: %d" % (end - begin))  # noqa: UP031
        equal = True
        for i in range(y.shape[1]):
            found = model.read_word(i, y.addr, bits)
            wanted = model.read_word(i, at_expected, bits)
            if vthread.verilog.NotEql(found, wanted):
                equal = False
        if equal:
            print("equal: yes")
        else:
            print("equal: no")
        vthread.finish()

    vthread.Thread(bench, "driver", clk, rst, drive).start()
    bench.Instance(target, "dut", params=bench.connect_params(target), ports=bench.connect_ports(target))
    simulation.setup_clock(bench, clk, hperiod=5)
    init = simulation.setup_reset(bench, resetn, bench.make_reset(), period=100, polarity="low")
    init.add(Delay(100_000_000), Systask("finish"))
    simulation.run_verilator(bench, outputfile="simulation")
    start = time.perf_counter()
    said = subprocess.run(["simulation/Vout"], capture_output=True, text=True, check=True).stdout
    seconds = time.perf_counter() - start
    assert "equal: yes" in said, said
    return int(re.search(r"cycles: +(\d+)", said)[1]), 1 / seconds


def aligned(address):
    """The next address of a chunk."""
    return math.ceil(address / CHUNK) * CHUNK


if __name__ == "__main__":
    main()
