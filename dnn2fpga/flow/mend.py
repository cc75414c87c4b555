"""What is done to ECP5's netlists between Yosys and nextpnr."""

import json
from pathlib import Path

from .carry import loosen
from .copies import copy_drivers
from .joints import Joints
from .output_registers import use_output_registers


def mend(path: Path) -> None:
    """Mend the netlist that Yosys wrote to `path`."""
    netlist = json.loads(path.read_text(encoding="utf-8"))
    for module in netlist["modules"].values():
        joints = Joints(module)
        for step in (loosen, use_output_registers, copy_drivers):
            step(joints)
    path.write_text(json.dumps(netlist, separators=(",", ":")), encoding="utf-8")
