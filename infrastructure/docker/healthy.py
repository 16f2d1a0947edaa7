"""Exit with 0 when the service of this container answers 200 on /health.

Started every few seconds with ``python -SE``, so it imports as little as it can.
"""

import os
import sys
from urllib.request import urlopen


def main() -> int:
    """Ask once, with a time limit in seconds below the health check's own."""
    port = os.environ.get("CHLOE_HTTP_PORT", "9100")
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=4) as reply:
            return 0 if reply.status == 200 else 1
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
