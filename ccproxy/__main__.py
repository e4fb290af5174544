"""`python -m ccproxy` is `ccserver`."""

import sys

from ccproxy.cli import main

if __name__ == "__main__":
    sys.exit(main())
