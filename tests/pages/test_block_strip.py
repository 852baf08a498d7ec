"""The block strip says which part of which block trains, in words as well as in colour."""

import pytest

from engine.events import Started, StartedBlock, StartedPhase
from engine.models.outline import BlockOutline, Outline, ParameterOutline
from engine.runconfig import RunConfig
from engine.training.freezing import plan_for
from engine.training.plan import FreezePlan, Phase
from pages.ui.figures import block_strip
from pages.ui.figures.block_strip import Strip


def outline(*blocks: BlockOutline) -> Outline:
    return Outline(backbone="tiny", classes=2, input_size=32, blocks=blocks)


def block(name: str, stage: str, *sizes: int) -> BlockOutline:
    parameters = tuple(
        ParameterOutline(name=f"{name}.{kind}", size=size, kind=kind)
        for kind, size in zip(("weight", "bias"), sizes, strict=False)
    )
    return BlockOutline(name=name, stage=stage, parameters=parameters)


OUTLINE = outline(
    block("stem", "stem", 900),
    block("layer1.0", "layer1", 60, 40),
    block("layer1.1", "layer1", 60, 40),
    block("fc", "head", 90, 10),
)


def strip(outline: Outline = OUTLINE, **options: str) -> Strip:
    config = RunConfig(dataset="d", backbone="tiny", epochs=4, **options)  # type: ignore[arg-type]
    return block_strip.of_plan(outline, plan_for(outline, config))


def test_the_sentence_counts_blocks_and_parameters_that_train():
    partial = block_strip.sentence(strip(strategy="last_block"))
    assert partial == "Trains 2 of 4 blocks: 200 of 1.2 k parameters (17 %)."
    assert block_strip.sentence(strip(strategy="full_finetune")) == "Trains all 4 blocks: 1.2 k parameters."


def test_frozen_and_training_blocks_differ_in_words_and_in_pattern():
    page = block_strip.draw(strip(strategy="linear_probe"))
    assert page.count("<i class='b on'") == 1
    assert page.count("<i class='b'") == 3
    assert "stem: 900 parameters, frozen" in page
    assert "fc: 100 parameters, trains" in page


def test_a_block_that_trains_in_part_shows_its_share():
    page = block_strip.draw(strip(strategy="named", patterns="layer1.0.bias"))
    assert "--share:40%" in page
    assert "layer1.0: 100 parameters, 40 of them train" in page


def test_every_phase_has_a_row_and_the_active_one_is_marked():
    phases = tuple(
        Phase(parameters=names, epochs=2, lr=1e-3) for names in (("fc.weight",), ("fc.weight", "layer1.1.weight"))
    )
    page = block_strip.draw(block_strip.of_plan(OUTLINE, FreezePlan(phases=phases)), active=1)
    assert page.count("class='r thin") == 2
    assert "▶ 2" in page and "▶ 1" not in page
    assert "Phase 1 (2 epochs)" in page


def test_names_are_escaped():
    hostile = strip(outline(block("<script>'a", "<b>&'", 4)))
    page = block_strip.draw(hostile, title="<img src=x onerror=alert(1)>")
    assert "<script" not in page and "<img" not in page and "'a:" not in page


def test_a_run_that_started_draws_what_it_reported():
    stem = StartedBlock(name="stem", stage="stem", size=900, trains=(False,))
    head = StartedBlock(name="fc", stage="head", size=100, trains=(True,))
    made = block_strip.of_started(Started(device="cpu", blocks=(stem, head), phases=(StartedPhase(epochs=3),)))
    assert block_strip.sentence(made) == "Trains 1 of 2 blocks: 100 of 1 k parameters (10 %)."
    assert block_strip.draw(block_strip.of_started(Started(device="cpu"))) == ""


@pytest.mark.parametrize(
    ("number", "said"),
    [(7, "7"), (999, "999"), (1000, "1 k"), (11_181_642, "11.2 M"), (86_567_656, "86.6 M"), (306_535_400, "307 M")],
)
def test_amounts_are_said_as_papers_do(number: int, said: str):
    assert block_strip.amount(number) == said
