"""Installation: whether Thaw runs from a clone or from an installed wheel, and what people type and find for it.

Not here: the command `thaw` (cli.launcher).
"""

from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent
"""What holds dashboard.py, pages/ and engine/: the clone, or the folder `thaw` in site-packages."""
_CLONED = (_HOME / "pyproject.toml").is_file()
COMMAND = "python -m engine" if _CLONED else "thaw"
"""What the command line is started by, for sentences that name a verb."""


def default_workspace() -> Path:
    """`workspace/` in the clone; of an installed Thaw `thaw/` in the user's home, because an update empties its own."""
    return _HOME / "workspace" if _CLONED else Path.home() / "thaw"
