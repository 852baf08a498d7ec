"""Server: the dashboard as a person starts it, a process of its own on a free port with a workspace of its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from engine.workspace import Workspace, open_workspace

_PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A dashboard that answers."""

    address: str
    workspace: Workspace
    pid: int
    said: list[str] = field(repr=False)  # its output, line by line


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A dashboard with an empty workspace in `folder`, no published weights on disk, until the block is left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    (folder / "torch_home").mkdir()
    environment = {**os.environ, "THAW_WORKSPACE": str(folder / "workspace"), "TORCH_HOME": str(folder / "torch_home")}
    command = "-m streamlit run dashboard.py --server.headless true --server.port"
    process = subprocess.Popen(
        [sys.executable, *command.split(" "), port],
        cwd=_PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        _wait_for_the_address(process.stdout, said)
        threading.Thread(target=_keep_reading, args=(process.stdout, said), daemon=True).start()
        workspace = open_workspace(str(folder / "workspace"))
        yield Server(address=f"http://127.0.0.1:{port}", workspace=workspace, pid=process.pid, said=said)
    finally:
        _end(process)


def _wait_for_the_address(output: IO[str], said: list[str]) -> None:
    for line in output:
        said.append(line.rstrip())
        if "URL:" in line:
            return
    raise AssertionError("The dashboard ended before it said its address:\n" + "\n".join(said))


def _keep_reading(output: IO[str], said: list[str]) -> None:
    """A full pipe would hold the server up."""
    for line in output:
        said.append(line.rstrip())


def _end(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
