"""What the player and the style sheet of every page weigh: builds them and prints bytes, raw and gzipped, as one JSON line."""

import gzip
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "eduhub" / "web" / "static" / "built"


def main() -> None:
    """Build, weigh, print."""
    subprocess.run(["npm", "run", "--silent", "build"], cwd=ROOT, check=True)
    figures: dict[str, object] = {}
    for name in ("player.js", "eduhub.css"):
        payload = (BUILT / name).read_bytes()
        figures[name] = {"bytes": len(payload), "gzip_bytes": len(gzip.compress(payload, 9))}
    print(json.dumps({**figures, "loadavg": os.getloadavg()}))


if __name__ == "__main__":
    main()
