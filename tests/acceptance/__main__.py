"""`python -m tests.acceptance`: an acceptance run in Azure, or on this machine.

Exit codes: 0 the product did what it promises; 1 it did not, or the run did not get that far;
2 wrong use.
"""

from __future__ import annotations

import sys

from tests.acceptance.program import main

if __name__ == "__main__":
    sys.exit(main())
