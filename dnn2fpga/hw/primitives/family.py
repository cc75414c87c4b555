"""Which device family a platform is, as far as its blocks matter here."""

from amaranth.vendor import LatticePlatform, SiliconBluePlatform


def family_of(platform: object) -> str | None:
    """`"ecp5"`, `"ice40"`, or None: in simulation, in Verilog for other tools, for other devices."""
    if isinstance(platform, LatticePlatform) and platform.family == "ecp5":
        return "ecp5"
    if isinstance(platform, SiliconBluePlatform):
        return "ice40"
    return None
