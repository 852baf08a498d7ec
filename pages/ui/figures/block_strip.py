"""The block strip: a backbone from image to head, and in which phase which part of every block trains.

Plain HTML: training blocks are solid, frozen ones hatched, so that it reads without colour. Not here: what a strategy
chooses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Protocol, TypeVar

from engine.events import Started
from engine.models.outline import BlockOutline, Outline
from engine.training.plan import FreezePlan, Phase
from pages.ui import text
from pages.ui.figures import palette

STYLE = f"<style>{(Path(__file__).parent / 'block_strip.css').read_text()}</style>"


class Staged(Protocol):
    """Anything that belongs to a stage of a backbone."""

    @property
    def stage(self) -> str: ...


Member = TypeVar("Member", bound=Staged)


@dataclass(frozen=True, kw_only=True)
class StripBlock:
    """One block as it is drawn."""

    name: str
    stage: str
    size: int
    """Number of values in the block."""
    trained: tuple[int, ...]
    """How many of them train, per phase."""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Every block in forward order, and how many epochs each phase lasts."""

    blocks: tuple[StripBlock, ...]
    epochs: tuple[int, ...]

    @property
    def size(self) -> int:
        return sum(block.size for block in self.blocks)

    def trained(self, phase: int) -> int:
        return sum(block.trained[phase] for block in self.blocks)


def of_plan(outline: Outline, plan: FreezePlan) -> Strip:
    """What `plan` will train, before anything has started."""
    blocks = tuple(
        StripBlock(name=b.name, stage=b.stage, size=b.size, trained=tuple(_trained(b, phase) for phase in plan.phases))
        for b in outline.blocks
    )
    return Strip(blocks=blocks, epochs=tuple(phase.epochs for phase in plan.phases))


def of_started(started: Started) -> Strip:
    """What a run said it trains."""
    blocks = tuple(
        StripBlock(name=b.name, stage=b.stage, size=b.size, trained=tuple(b.size if on else 0 for on in b.trains))
        for b in started.blocks
    )
    return Strip(blocks=blocks, epochs=tuple(phase.epochs for phase in started.phases))


def amount(number: int) -> str:
    """A number of parameters as papers write it: `513`, `5.1 k`, `11.2 M`."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * size:
            return f"{number / size:.3g} {unit}" if number < 99.95 * size else f"{number / size:.0f} {unit}"
    return str(number)


def sentence(strip: Strip, phase: int = 0, total: int | None = None) -> str:
    """`Trains 2 of 10 blocks: 8.4 M of 11.2 M parameters (75 %).` `total`: what trains when the run counted it
    itself."""
    trained = strip.trained(phase) if total is None else total
    if trained == strip.size:
        return f"Trains all {len(strip.blocks)} blocks: {amount(trained)} parameters."
    blocks = sum(1 for block in strip.blocks if block.trained[phase])
    share = f"{amount(trained)} of {amount(strip.size)} parameters ({_percent(trained, strip.size)})"
    return f"Trains {blocks} of {len(strip.blocks)} blocks: {share}."


def draw(strip: Strip, *, title: str = "", active: int | None = None, total: int | None = None) -> str:
    """HTML for st.html; `active` is the phase that runs now, `title` may come from a user."""
    if not strip.blocks or not strip.epochs:
        return ""
    phases = range(len(strip.epochs))
    label = " ".join(_phase_sentence(strip, phase, total) for phase in phases)
    rows = "".join(_row(strip, phase, active) for phase in phases)
    heading = f"<b>{escape(title)}.</b> " if title else ""
    spacer = "<span class='p'></span>" if len(phases) > 1 else ""
    names = stage_names(strip.blocks, lambda blocks: amount(sum(block.size for block in blocks)), spacer)
    return figure(label, f"{heading}{escape(label if len(phases) <= 3 else _many(strip))}", rows + names)


def legend() -> str:
    """What solid and hatched mean; once on a page, beside the strips."""
    return legend_of("<i class='b on'></i>trains", "<i class='b'></i>frozen", "left: image side, right: head")


def figure(sentence: str, caption: str, rows: str) -> str:
    """Rows of blocks under a caption, both HTML, with a sentence for those who do not see them."""
    return (
        f"{STYLE}<figure class='thaw-strip' style='--on:{palette.accent()}' aria-label='{escape(sentence)}'>"
        f"<figcaption>{caption}</figcaption>{rows}</figure>"
    )


def legend_of(*entries: str) -> str:
    spans = "".join(f"<span>{entry}</span>" for entry in entries)
    return f"{STYLE}<div class='thaw-strip thaw-key' style='--on:{palette.accent()}'>{spans}</div>"


def by_stage(blocks: Sequence[Member], draw: Callable[[Sequence[Member]], str]) -> str:
    """What `draw` makes of the blocks of each stage. Long stages get more room, but less than their share, so that the
    name of a single block still fits."""
    stages = [list(members) for _, members in groupby(blocks, key=lambda block: block.stage)]
    return "".join(
        f"<div class='s' style='flex-grow:{0.8 + len(stage) ** 0.75:.2f}'>{draw(stage)}</div>" for stage in stages
    )


def stage_names(blocks: Sequence[Member], words: Callable[[Sequence[Member]], str], spacer: str = "") -> str:
    """A row with the name of every stage and `words` of its blocks."""
    cells = by_stage(
        blocks,
        lambda stage: (
            f"<span class='n' title='{escape(stage[0].stage)}'>{escape(text.stage(stage[0].stage))}"
            f"<br><small>{escape(words(stage))}</small></span>"
        ),
    )
    crowded = " crowded" if len({block.stage for block in blocks}) > 8 else ""
    return f"<div class='r names{crowded}' aria-hidden='true'>{spacer}{cells}</div>"


def _trained(block: BlockOutline, phase: Phase) -> int:
    return sum(parameter.size for parameter in block.parameters if parameter.name in phase.names)


def _percent(part: int, whole: int) -> str:
    share = 100 * part / max(1, whole)
    return f"{share:.0f} %" if share >= 10 else f"{share:.1f} %" if share >= 0.1 else f"{share:.2g} %"


def _phase_sentence(strip: Strip, phase: int, total: int | None) -> str:
    if len(strip.epochs) == 1:
        return sentence(strip, phase, total)
    return f"Phase {phase + 1} ({text.count(strip.epochs[phase], 'epoch')}): {_inside(sentence(strip, phase))}"


def _inside(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _many(strip: Strip) -> str:
    most = max(range(len(strip.epochs)), key=strip.trained)
    return f"{len(strip.epochs)} phases over {sum(strip.epochs)} epochs. At most: {_inside(sentence(strip, most))}"


def _row(strip: Strip, phase: int, active: int | None) -> str:
    stages = by_stage(strip.blocks, lambda stage: "".join(_block(block, phase) for block in stage))
    several = len(strip.epochs) > 1
    mark = f"<span class='p'>{'▶ ' if phase == active else ''}{phase + 1}</span>" if several else ""
    kind = ("thin " if several else "") + (
        "now" if phase == active else "later" if active is not None and several else ""
    )
    return f"<div class='r {kind}'>{mark}{stages}</div>"


def _block(block: StripBlock, phase: int) -> str:
    trained = block.trained[phase]
    state = "frozen" if not trained else "trains" if trained == block.size else f"{amount(trained)} of them train"
    title = escape(f"{block.name}: {amount(block.size)} parameters, {state}")
    # a block that trains a few of its values must still be seen: at least a fifth is filled
    share = 0 if not trained else max(20, round(100 * trained / max(1, block.size)))
    return f"<i class='b{' on' if trained else ''}' style='--share:{share}%' title='{title}'></i>"
