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
    quantize.add_argument("model", type=Path, help="a .keras or .h5 file, or the folder of a float model")
    _data(quantize)
    quantize.add_argument("--out", type=Path, required=True, help="folder for the integer model")
    quantize.add_argument("--bits", type=int, default=8, help="width of weights and activations (default: 8)")
    quantize.add_argument("--weight-bits", type=int, help="width of the weights, if another")
    quantize.add_argument("--activation-bits", type=int, help="width of the activations, if another")

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


def _model(parser: Parser) -> None:
    parser.add_argument("model", type=Path, help="an integer model: the folder that quantize wrote")


def _data(parser: Parser) -> None:
    parser.add_argument("--data", type=Path, required=True, help=".npz with x and y, or x_train, y_train, …")
    parser.add_argument("--input-scale", type=float, help="factor for integer inputs (default for uint8: 1/255)")


def _target(parser: Parser, *, board_required: bool = False) -> None:
    parser.add_argument("--board", required=board_required, help="a board that 'dnn2fpga boards' lists")
    parser.add_argument("--fps", type=float, help="images a second to plan for (default: fill the board)")


if __name__ == "__main__":
    sys.exit(main())
