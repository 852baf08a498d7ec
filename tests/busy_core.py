"""How much of the machine training gets alone and beside busy programs, each in a session of its own.

`python -m tests.busy_core [--nice N]`: why training yields as much as it does and takes every core (docs/decisions.md).
A fair share is what each of the programs would get of the cores if all were equal. A few minutes; not a test.
"""

import argparse
import os
import subprocess
import sys
import time
from contextlib import ExitStack

import torch
import torchvision

from engine.work import child
from engine.work.transport import SHORT_WAITS

_SECONDS, _IMAGES = 8.0, 16
_BUSY = [sys.executable, "-c", "while True: pass"]


def speed(threads: int, nice: int) -> float:
    """Images a second of full fine-tuning, at the priority that training has."""
    torch.set_num_threads(threads)
    child._NICE = nice
    child._give_way()
    model = torchvision.models.resnet18().train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    images, targets = torch.rand(_IMAGES, 3, 112, 112), torch.randint(0, 2, (_IMAGES,))

    def step() -> None:
        torch.nn.functional.cross_entropy(model(images), targets).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    began, steps = time.monotonic(), 0
    while time.monotonic() - began < _SECONDS:
        step()
        steps += 1
    return _IMAGES * steps / (time.monotonic() - began)


def beside(programs: int, *, threads: int, nice: int) -> float:
    """Images a second of a process of its own while so many programs keep a core busy each."""
    command = [sys.executable, "-m", "tests.busy_core", "--threads", str(threads), "--nice", str(nice)]
    with ExitStack() as stack:
        for _ in range(programs):
            busy = stack.enter_context(subprocess.Popen(_BUSY, start_new_session=True))
            stack.callback(busy.kill)
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, start_new_session=True, env=SHORT_WAITS | os.environ
        )
    return float(done.stdout)


def main(nice: int) -> None:
    cores = len(os.sched_getaffinity(0))
    whole = beside(0, threads=cores, nice=nice)
    for threads in sorted({max(1, cores - 1), cores}):
        for programs in range(3):
            found = beside(programs, threads=threads, nice=nice)
            fair = whole * (1 - programs * min(1.0, cores / (1 + programs)) / cores)
            print(
                f"{threads} of {cores} threads, nice {nice}, {programs} busy programs: {found:.1f} images a second,",
                end=" ",
            )
            print(f"{100 * found / fair:.0f} % of a fair share", flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--threads", type=int, default=0)
    options.add_argument("--nice", type=int, default=child._NICE)
    asked = options.parse_args()
    print(speed(asked.threads, asked.nice)) if asked.threads else main(asked.nice)
