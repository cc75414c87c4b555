"""The chips on the boards of this folder, and the class of a board."""

from dnn2fpga.flow.board import Board
from dnn2fpga.hw.resources import Device, Resources

__all__ = ["HX8K", "LFE5U_12F", "LFE5U_25F", "LFE5U_45F", "LFE5U_85F", "UP5K", "Board"]

# Lattice FPGA-DS-02012. The 12F is sold as half of this, but is the 25F's die, and nextpnr gives all of it.
LFE5U_12F = Device("LFE5U-12F", "ecp5", Resources(luts=24288, ffs=24288, dsps=28, brams=56))
LFE5U_25F = Device("LFE5U-25F", "ecp5", Resources(luts=24288, ffs=24288, dsps=28, brams=56))
LFE5U_45F = Device("LFE5U-45F", "ecp5", Resources(luts=43848, ffs=43848, dsps=72, brams=108))
LFE5U_85F = Device("LFE5U-85F", "ecp5", Resources(luts=83640, ffs=83640, dsps=156, brams=208))

# Lattice FPGA-DS-02008 and FPGA-DS-02029. A logic cell is a LUT and a flip-flop.
UP5K = Device("iCE40UP5K", "ice40", Resources(luts=5280, ffs=5280, dsps=8, brams=30))
HX8K = Device("iCE40HX8K", "ice40", Resources(luts=7680, ffs=7680, dsps=0, brams=32))
