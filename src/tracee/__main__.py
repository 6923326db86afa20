"""``python -m tracee``: the command line."""

import sys

from tracee.cli import main

sys.exit(main())
