"""The command line: it parses, calls and prints; all work is done elsewhere."""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from amaranth.hdl import UnusedElaboratable

from . import commands
from .errors import Refusal, Shortfall
from .flow.engines import ENGINES
from .flow.toolchain import ToolError
from .quant.calibrate import CALIBRATIONS
from .quant.floating import WIDTHS
from .quant.optimizer import STAGES
from .quant.qat import Training
from .show import Show

Command = Callable[[argparse.Namespace, Show], dict[str, Any]]


class Parser(argparse.ArgumentParser):
    """One line for a usage error, like for any other refusal; `command` does what was parsed."""

    def __init__(self, *, command: Command | None = None, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)
        if command is not None:
            self.set_defaults(command=command)
            self.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")

    def error(self, message: str) -> NoReturn:
        """Raise `Refusal`."""
        raise Refusal(f"{message}; see '{self.prog} --help'")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Gives 0 if done, 1 if the result falls short, 2 on bad input or usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    if not arguments:
        parser.print_help()
        return 0
    return run(parser, arguments)


def run(parser: Parser, arguments: Sequence[str]) -> int:
    """Parse, and do the command; gives the exit status."""
    # Amaranth tells of hardware that is made and not used; a refusal midway leaves some, and is one line.
    warnings.simplefilter("ignore", UnusedElaboratable)
    show = Show(as_json="--json" in arguments)
    try:
        options = parser.parse_args(arguments)
        show.answer(options.command(options, show))
    except Shortfall as shortfall:
        show.answer(shortfall.figures)
        show.error(str(shortfall))
        return 1
    except ToolError as failure:
        log = _keep_log(failure.log)
        show.answer({"log": log})
        show.error(f"{failure}; all that it said is in {log}")
        return 1
    except Refusal as refusal:
        show.error(str(refusal))
        return 2
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        show.error(f"{where}{error.strerror or error}")
        return 2
    except KeyboardInterrupt:
        show.error("interrupted")
        return 130
    return 0


def _keep_log(log: str) -> str:
    """A new file with what a tool said."""
    with tempfile.NamedTemporaryFile("w", prefix="dnn2fpga-", suffix=".log", delete=False, encoding="utf-8") as file:
        file.write(log)
    return file.name


def _parser() -> Parser:
    parser = Parser(
        prog="dnn2fpga",
        description="A Keras model in, an exact pipelined FPGA design out.",
        epilog="To begin: 'dnn2fpga demo' takes a shipped model all the way to a bitstream. "
        "With your own: quantize, plan, simulate, build, flash, verify.",
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)

    def add(name: str, command: Command, help: str) -> Parser:
        return subparsers.add_parser(name, help=help, description=help, command=command)

    demo = add("demo", commands.demo, "the whole flow, on the model and the digits that come with the package")
    demo.add_argument("--board", default="ulx3s_85f", help="board to build for (default: %(default)s)")
    demo.add_argument("--out", type=Path, default=Path("demo"), help="folder to write to (default: %(default)s)")

    quantize = add("quantize", commands.quantize, "a float model and some data to an integer model")
    quantize.add_argument("model", type=Path, help="a .keras, .h5 or .json file, or the folder of a float model")
    _data(quantize)
    quantize.add_argument("--out", type=Path, required=True, help="folder for the integer model")
    _scheme(quantize)
    _wish(quantize)

    simulate = add("simulate", commands.simulate, "run the hardware in a simulator and compare with the reference")
    _model(simulate)
    _data(simulate)
    _target(simulate)
    simulate.add_argument("--engine", choices=ENGINES, help="default: cxxrtl if it can run here, else pysim")
    simulate.add_argument("--images", type=int, help="how many of the data (default: all)")
    simulate.add_argument("--stalls", type=float, default=0.0, help="probability of a pause, 0 to 1, on both sides")
    simulate.add_argument("--seed", type=int, default=1, help="of the pauses (default: 1)")
    simulate.add_argument("--vcd", type=Path, help="write a waveform (engine pysim)")

    plan = add("plan", commands.plan, "lanes, cycles and sizes, before any hardware is made")
    _model(plan)
    _target(plan)
    plan.add_argument("--svg", type=Path, metavar="FILE", help="draw it; the name must end in .svg")

    verilog = add("verilog", commands.verilog, "write the hardware as Verilog-2001")
    _model(verilog)
    _target(verilog)
    verilog.add_argument("--out", type=Path, required=True, help="file to write")

    build = add("build", commands.build, "make a bitstream")
    _model(build)
    _target(build, board_required=True)
    build.add_argument("--out", type=Path, required=True, help="folder to write to")

    flash = add("flash", commands.flash, "load a board with a finished build")
    flash.add_argument("folder", type=Path, help="what build wrote")
    flash.add_argument("--persistent", action="store_true", help="write the board's flash memory")

    verify = add("verify", commands.verify, "run data on a board and compare with the reference")
    verify.add_argument("folder", type=Path, help="what build wrote")
    verify.add_argument("--port", required=True, help="serial port of the board, such as /dev/ttyUSB0")
    _data(verify)
    verify.add_argument("--images", type=int, help="how many of the data (default: all)")

    add("boards", commands.boards, "the boards that are supported")
    add("layers", commands.layers, "the layers that are supported")
    return parser


def _scheme(parser: Parser) -> None:
    group = parser.add_argument_group("formats")
    group.add_argument("--bits", type=int, default=8, help="width of weights and activations, 1 to 16 (default: 8)")
    group.add_argument("--weight-bits", type=int, help="width of the weights, if another")
    group.add_argument("--activation-bits", type=int, help="width of the activations, if another")
    group.add_argument("--input-bits", type=int, help="width of the model's input (default: as the activations)")
    group.add_argument(
        "--layer", action="append", default=[], metavar="NAME=W/A",
        help="widths of one layer's weights and outputs, such as conv2d=4/8; may be given again",
    )  # fmt: skip
    group.add_argument("--asymmetric", action="store_true", help="activations with a zero point")
    group.add_argument("--per-tensor", action="store_true", help="one weight scale a layer (default: one a channel)")
    group.add_argument("--power-of-two", action="store_true", help="every scale a power of two: shifts in hardware")
    group.add_argument("--sign", action="store_true", help="1-bit activations are -1 and +1, in a ReLU's place")
    group.add_argument("--calibration", choices=CALIBRATIONS, default="min_max", help="(default: %(default)s)")


def _wish(parser: Parser) -> None:
    group = parser.add_argument_group("stages")
    group.add_argument(
        "--target-accuracy", type=float, metavar="A", help="such as 0.98: stop at the stage that gives it"
    )
    group.add_argument(
        "--stage", choices=("auto", *STAGES), default="auto",
        help="auto (default): ptq, all layers after training; if that falls short partial, the sensitive layers left "
        "in floating point; if that falls short qat, quantization-aware training",
    )  # fmt: skip
    group.add_argument(
        "--sensitive", default="conv",
        help="what partial leaves: conv, all convolutions (default); auto, by measured sensitivity; names, with commas",
    )  # fmt: skip
    group.add_argument("--float-format", choices=WIDTHS, default="float32", help="of those (default: float32)")
    group.add_argument("--no-improve", action="store_true", help="never equalize layers, nor correct biases")
    training = Training()
    group.add_argument("--epochs", type=int, default=training.epochs, help="of training (default: %(default)s)")
    group.add_argument("--rate", type=float, default=training.rate, help="learning rate (default: %(default)s)")
    group.add_argument("--learn-scales", action="store_true", help="train scales too, not weights alone (LSQ)")
    group.add_argument("--dorefa", action="store_true", help="train weights through DoReFa's tanh")
    group.add_argument("--seed", type=int, default=training.seed, help="of training (default: %(default)s)")
    group.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="kept after each epoch; training goes on from it"
    )


def _model(parser: Parser) -> None:
    parser.add_argument(
        "model", type=Path, help="an integer model: the folder that quantize wrote, or a full-int8 .tflite file"
    )


def _data(parser: Parser) -> None:
    parser.add_argument("--data", type=Path, required=True, help=".npz with x and y, or x_train, y_train, …")
    parser.add_argument("--input-scale", type=float, help="factor for integer inputs (default for uint8: 1/255)")


def _target(parser: Parser, *, board_required: bool = False) -> None:
    parser.add_argument("--board", required=board_required, help="a board that 'dnn2fpga boards' lists")
    parser.add_argument("--fps", type=float, help="images a second to plan for (default: what fits, in 20,000 LUTs)")
    parser.add_argument("--latency", type=float, metavar="US", help="microseconds that an image may take")
    parser.add_argument("--most", metavar="SIZES", help="what it may take of the chip, as luts=20000,dsps=11")
    parser.add_argument("--clock", type=float, metavar="MHZ", help="clock to run at (default: what suits the board)")


if __name__ == "__main__":
    sys.exit(main())
