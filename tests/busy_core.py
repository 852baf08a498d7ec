"""How many images a second resnet18 trains on alone, and beside a process that keeps one core busy, by number of
threads.

`python -m tests.busy_core`: why one core is left free by default (docs/decisions.md). About a minute; not a test.
"""

import os
import subprocess
import sys
import time

import torch
import torchvision

from engine.work.child import _give_way

_SECONDS, _IMAGES = 10.0, 32


def speed(threads: int) -> float:
    """Images a second of full fine-tuning in bf16, at the priority that training has."""
    torch.set_num_threads(threads)
    _give_way()
    model = torchvision.models.resnet18().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    images = torch.rand(_IMAGES, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    targets = torch.randint(0, 2, (_IMAGES,))

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(images).float()
        torch.nn.functional.cross_entropy(logits, targets).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    began, steps = time.monotonic(), 0
    while time.monotonic() - began < _SECONDS:
        step()
        steps += 1
    return _IMAGES * steps / (time.monotonic() - began)


def main() -> None:
    cores = len(os.sched_getaffinity(0))
    for threads in sorted({max(1, cores - 1), cores}):
        for busy in (False, True):
            other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
            try:
                words = [sys.executable, "-m", "tests.busy_core", str(threads)]
                images = float(subprocess.check_output(words, text=True, start_new_session=True))
            finally:
                if other is not None:
                    other.kill()
            beside = "one core busy" if busy else "alone"
            print(f"{threads} of {cores} threads, {beside}: {images:.1f} images a second", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(speed(int(sys.argv[1])))
    else:
        main()
