"""Process identity: which process holds a run or a job, told apart from a later process that was given the same number.

Not here: what the owner does. An owner is text, `<pid>:<start>:<boot>`, and is only ever compared or asked for life.
"""

import os
from pathlib import Path


def this_process() -> str:
    """The owner to write when this process claims something."""
    return _identity(os.getpid()) or f"{os.getpid()}::"


def alive(owner: str) -> bool:
    """Whether the very process that wrote `owner` still runs here; a zombie does not."""
    number, _, rest = owner.partition(":")
    if not number.isdigit():
        return False
    if not Path("/proc/self/stat").exists():
        return _answers(int(number))
    now = _identity(int(number))
    return now is not None and (now == owner or not rest.strip(":"))


def _identity(pid: int) -> str | None:
    """Process ids come round again; the start time in ticks since boot does not, and neither does the boot."""
    try:
        # The command in parentheses may itself hold spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{pid}:{fields[19]}:{boot}"


def _answers(pid: int) -> bool:
    """Systems without /proc: signal 0 reaches a living process and does nothing."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, and alive
        return True
    return True
