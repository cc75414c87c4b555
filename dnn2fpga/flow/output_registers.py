"""ECP5's block RAMs with the output registers that they have: Yosys leaves them out, and takes flip-flops instead.

A block RAM gives what it reads more than 5 ns after the clock, most of a cycle before any wire; its own register
gives it in a fraction of that, and takes no flip-flop.
"""

from .joints import Cell, Joints, Pin


def use_output_registers(joints: Joints) -> None:
    """Move the flip-flops behind a port of a `DP16KD` into it, where they are all that reads the port."""
    absorbed: list[Cell] = []
    for memory in joints.cells("DP16KD"):
        for sides, clock in _ports(memory):
            pins = [pin for pin in _outputs(memory, sides) if joints.is_read(pin.bit)]
            registers = [register for pin in pins if (register := _register(joints, pin, clock))]
            if pins and len(registers) == len(pins):
                for side in sides:  # Yosys disables the half of a wide port whose clock writes
                    memory["parameters"][f"REGMODE_{side}"] = "OUTREG"
                    memory["connections"][f"OCE{side}"] = ["1"]
                for pin, register in zip(pins, registers, strict=True):
                    pin.join(register["connections"]["Q"][0])
                absorbed += registers
    joints.remove(absorbed)


def _ports(memory: Cell) -> tuple[tuple[str, str], ...]:
    """The ports that can read: the sides that they take, and that of their clock. One of 36 bits takes both."""
    return (("AB", "B"),) if int(memory["parameters"]["DATA_WIDTH_A"], 2) == 36 else (("A", "A"), ("B", "B"))


def _outputs(memory: Cell, sides: str) -> list[Pin]:
    """The pins of a port that data come out of."""
    starts = tuple(f"DO{side}" for side in sides)
    return [Pin(memory, port, 0) for port, bits in memory["connections"].items() if port.startswith(starts) and bits]


def _register(joints: Joints, pin: Pin, side: str) -> Cell | None:
    """The flip-flop that is all that reads a memory's pin, if it does what the memory's own would.

    That has the memory's clock, is never halted and never reset, and holds 0 at first.
    """
    ends, readers = pin.cell["connections"], joints.readers[pin.bit]
    if pin.bit in joints.outside or len(readers) != 1 or (ends[f"OCE{side}"], ends[f"RST{side}"]) != (["1"], ["0"]):
        return None
    register, port, _ = readers[0]
    if register["type"] != "TRELLIS_FF" or port != "DI":
        return None
    its_ends, parameters = register["connections"], register["parameters"]
    same = (
        its_ends["CLK"] == ends[f"CLK{side}"]
        and its_ends.get("LSR", ["0"]) == ["0"]
        and (parameters["CEMUX"].strip(), parameters["CLKMUX"], parameters["REGSET"]) == ("1", "CLK", "RESET")
    )
    return register if same else None
