"""The browser of the tests: playwright's own, else a system Chromium, else one from the package manager.

`python -m tests.browser.chromium --ensure` finds or installs it, or says in one sentence what to install.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from engine.bench.browsers import FLAGS, NAMES

__all__ = ["FLAGS", "ensure", "executable"]

ADVICE = (
    "No browser for the tests: install Chromium (Debian and Ubuntu: apt-get install chromium) or run "
    ".venv/bin/playwright install chromium."
)


def executable() -> str | None:
    """Path of a Chromium that is there, or None."""
    bundled = _bundled()
    if bundled:
        return bundled
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def ensure() -> str:
    """Path of a Chromium, installed now if that is possible. SystemExit with advice otherwise."""
    found = executable() or _installed()
    if not found:
        sys.exit(ADVICE)
    return found


def _bundled() -> str | None:
    root = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    found = sorted(root.glob("chromium-*/chrome-linux*/chrome"))
    return str(found[-1]) if found else None


def _installed() -> str | None:
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "chromium"]):
        subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL)
    return executable()


if __name__ == "__main__":
    print("Browser for the tests:", ensure())
