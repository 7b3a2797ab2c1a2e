"""`python -m tests.simulation.proxy --upstream URL [--upstream URL] --port N --seed S`."""

import argparse
import asyncio
import json
import sys

from tests.simulation.proxy.faults import Faults, Plan
from tests.simulation.proxy.server import Proxy, serve


def main() -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.proxy",
        description="A JSON-RPC proxy that makes the faults of nodes and their providers.",
    )
    parser.add_argument("--upstream", action="append", required=True, help="a node's URL")
    parser.add_argument("--port", type=int, required=True, help="on loopback")
    parser.add_argument("--seed", type=int, default=1, help="decides which requests fail")
    parser.add_argument("--faults", default="{}", help='JSON, such as {"drop": 0.1}')
    options = parser.parse_args()
    try:
        faults = Faults.read(json.loads(options.faults))
    except (ValueError, TypeError) as error:
        parser.error(f"--faults: {error}")
    sys.stderr.write(f"seed {options.seed}: 127.0.0.1:{options.port}\n")
    proxy = Proxy(options.upstream, Plan(options.seed, faults))
    try:
        asyncio.run(serve(proxy, options.port))
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
