"""`python -m dnn2fpga` is the command `dnn2fpga`."""

import sys

from .cli import main

sys.exit(main())
