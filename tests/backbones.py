"""Every classifier of torchvision through every check of its chain, one at a time, and docs/backbones.md from the
results.

`python -m tests.backbones` takes minutes and a peak of 13 GB; with names it checks only those and writes nothing.
"""

import datetime
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision

from engine.models import registry
from engine.models.catalog import BackboneInfo, WeightsInfo
from tests.engine.models.checks import CHECKS, CLASSES, chain_of
from tests.engine.models.shares import shares

PAGE = Path(__file__).resolve().parent.parent / "docs" / "backbones.md"
COMMAND = "python -m tests.backbones"
PASSED = "yes"

_HEAD = """# Backbones

Every classifier of torchvision that is installed with Thaw. For each, the chain of blocks was checked:

{checks}

Checked with torch {torch}, torchvision {torchvision} and Python {python} on {system}, {date}:
{passed} of {count} passed.
The table is written by `{command}` (`make test-all` runs it after the other tests); edit the checks in
`tests/engine/models/checks.py`, not this page.

Parameters and input are those of the default weights, which come first in their column. A set of weights links to its
training recipe, and to its licence where torchvision's metadata names one; for the other sets ask torchvision before
you pass them on. Memory is the peak of the checks, in GB: three training steps on images of 64 pixels or so, copies of
all tensors included.

Head, last block and last stage say what `linear_probe`, `last_block` and `last_stage` train: percent of the parameters
of a backbone with a head for {classes} classes / percent of the multiplications of a forward pass from the first block
that trains on, on images of the input size (vision transformers: of the smallest size).

| Model | Family | Blocks | Parameters | Input | Weights | Head | Last block | Last stage | Memory | Passed |
|---|---|--:|--:|--:|---|--:|--:|--:|--:|---|
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the checks found for one backbone."""

    name: str
    blocks: int
    peak_bytes: int
    failed: str
    """The check that failed and why; empty when all passed."""
    trained: tuple[str, ...] = ()
    """What linear_probe, last_block and last_stage train; empty when a check failed."""


def main(names: Sequence[str]) -> int:
    """Check `names`, or all and write the page. 0 when all passed."""
    results = []
    for name in names or registry.names():
        started = time.monotonic()
        results.append(result := check_apart(name))
        print(
            f"{name:24} {result.blocks:3} blocks {result.peak_bytes / 1e9:5.1f} GB {time.monotonic() - started:4.0f} s "
            f"{result.failed or PASSED}",
            flush=True,
        )
    if not names:
        PAGE.write_text(page(results))
        print(f"wrote {PAGE}")
    return int(any(result.failed for result in results))


def check_apart(name: str) -> Result:
    """`check` in a process of its own, which gives all memory back, and whose death is a result like another."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(check(name)))
    child.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        child.join()
        return Result(name=name, blocks=0, peak_bytes=0, failed=f"the process ended with exit code {child.exitcode}")
    finally:
        child.join()


def check(name: str) -> Result:
    """All checks of one backbone, in this process."""
    failed, blocks = "", 0
    trained: tuple[str, ...] = ()
    try:
        chain = chain_of(name)
        blocks = len(chain.blocks)
        for test in CHECKS:
            failed = test.__name__
            test(chain)
        failed = ""
        trained = tuple(map(str, shares(chain)[:-1]))
    except Exception as error:
        text = f"{failed.replace('_', ' ')}: {type(error).__name__} {error}"
        failed = text.replace("\n", " ").replace("|", "/")[:200]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_bytes = peak * (1 if sys.platform == "darwin" else 1024)
    return Result(name=name, blocks=blocks, peak_bytes=peak_bytes, failed=failed, trained=trained)


def page(results: Sequence[Result]) -> str:
    """docs/backbones.md."""
    head = _HEAD.format(
        checks="\n".join(f"- {test.__name__.replace('_', ' ')}" for test in CHECKS),
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        passed=sum(not result.failed for result in results),
        count=len(results),
        command=COMMAND,
        classes=CLASSES,
    )
    return head + "".join(_row(result, registry.describe(result.name)) for result in results)


def _row(result: Result, about: BackboneInfo) -> str:
    cells = (
        f"`{result.name}`",
        about.family,
        str(result.blocks),
        f"{about.parameters:,}",
        str(about.input_size),
        ", ".join(map(_weights, about.weights)),
        *(result.trained or 3 * ("",)),
        f"{result.peak_bytes / 1e9:.1f}",
        result.failed or PASSED,
    )
    return f"| {' | '.join(cells)} |\n"


def _weights(entry: WeightsInfo) -> str:
    named = f"[{entry.name}]({entry.recipe_url})" if entry.recipe_url else entry.name
    return f"{named} ([licence]({entry.license}))" if entry.license else named


if __name__ == "__main__":
    os.nice(10)
    torch.set_num_threads(1)  # bit for bit is asked of the code, not of the order in which threads finish
    sys.exit(main(sys.argv[1:]))
