"""What is done to ECP5's netlists between Yosys and nextpnr."""

import json
from pathlib import Path

from .carry import loosen
from .copies import MOST, MOST_IF_DENSE, copy_drivers
from .joints import Joints
from .output_registers import use_output_registers

ANYWHERE = {"placer1/minBelsForGridPick": "300"}
"""A setting of nextpnr's for which it has no option. As HeAP leaves them, multipliers and block RAMs stand at random
within rows that are full, and what refines its placement moves a cell by a few tiles only, where the next of them are
farther. Cells of a kind that has fewer places than this on the chip may then go to any of them.
"""


def mend(path: Path, dense: bool) -> None:
    """Mend the netlist that Yosys wrote to `path`, of a `dense` design or of another."""
    netlist = json.loads(path.read_text(encoding="utf-8"))
    for module in netlist["modules"].values():
        joints = Joints(module)
        loosen(joints)
        use_output_registers(joints)
        copy_drivers(joints, MOST_IF_DENSE if dense else MOST, apart=dense)
        if dense:
            module["settings"] = ANYWHERE
    path.write_text(json.dumps(netlist, separators=(",", ":")), encoding="utf-8")
