"""`python -m netwright` is `netwright`."""

import sys

from netwright.cli.main import main

sys.exit(main())
