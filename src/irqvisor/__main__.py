"""``python -m irqvisor`` is ``irqvisor``."""

import sys

from irqvisor.cli import main

if __name__ == "__main__":
    sys.exit(main())
