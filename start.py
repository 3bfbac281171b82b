"""Starts Greenlight, or its tests: `python3 start.py`, `python3 start.py test`. See `--help`.

Written so that an old Python can read it far enough to say that it is too old.
"""

import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "Greenlight needs Python 3.11 or newer, this is %d.%d. Install a newer one and start it with that.\n"
        % (sys.version_info[0], sys.version_info[1])
    )
    sys.exit(2)

from launcher.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
