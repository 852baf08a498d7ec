"""The arithmetic of the table, and the page that shows it, from measurements that are made up."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from engine import record_files
from engine.bench.arithmetic import Spread, line, of_workload
from engine.bench.measurements import ABOUT, PAGES, RAW, About, Key, Measurement, Measurements, PageTimes, Recipe
from engine.bench.parts import PARTS
from engine.bench.plots import line_plot
from engine.bench.report import growth_series, write_report
from engine.bench.workloads import AGAIN, GROWTH, OPERATION, OPERATIONS, PART, TITLES, WITHOUT_PART, WORKLOADS

RECIPE = Recipe(images=64, epochs=15)


def key(contender: str, what: str = "linear_probe", repetition: int = 0, recipe: Recipe = RECIPE) -> Key:
    return Key(contender=contender, what=what, repetition=repetition, recipe=recipe)


def written(folder: Path, recipe: Recipe = RECIPE) -> str:
    """The page on what was measured in `folder`."""
    about = About(command="python -m engine bench", date="2026-01-01", machine="A machine", side=224, recipe=recipe)
    record_files.write(folder / ABOUT, about)
    return write_report([folder], folder / "docs" / "performance.md").read_text()


@pytest.fixture
def measurements(tmp_path: Path) -> Measurements:
    """Three repetitions on a machine that becomes slower; ratios know nothing of that."""
    made = Measurements(tmp_path)
    for repetition, slow in enumerate((1.0, 2.0, 4.0)):
        for contender, what, seconds, accuracy in (
            ("classic", "linear_probe", 40.0, 0.5 + repetition / 10),
            ("thaw", "linear_probe", 2.0, 0.6),
            (AGAIN, "linear_probe", 1.0, 0.6),
            ("bare", "linear_probe", 1.6, 0.6),
            ("thaw", "seeds", 4.0, 0.6),
        ):
            made.add(Measurement(key=key(contender, what, repetition), seconds=slow * seconds, accuracy=accuracy))
    return made


def test_ratios_are_taken_within_a_repetition(measurements: Measurements) -> None:
    made = line(WORKLOADS["linear_probe"], measurements, RECIPE)
    assert made.ratio("classic", "thaw") == Spread(middle=20, low=20, high=20)
    assert made.ratio("thaw", "bare") == Spread(middle=1.25, low=1.25, high=1.25)
    assert made.ratio("fastai", "thaw") is None and made.seconds("fastai") is None
    assert made.seconds("classic") == Spread(middle=80, low=40, high=160)
    accuracy = made.accuracy("classic")
    assert accuracy is not None and (accuracy.low, accuracy.middle, accuracy.high) == pytest.approx((0.5, 0.6, 0.7))


def test_trainings_add_up_and_seeds_multiply_for_those_who_share_nothing(measurements: Measurements) -> None:
    seeds = line(WORKLOADS["seeds"], measurements, RECIPE).ratio("classic", "thaw")
    assert seeds is not None and seeds.middle == 20 * 40 / 4
    five = WORKLOADS["five"]
    assert of_workload(five, measurements, key("classic")) is None, "four of its trainings are missing"
    for training in five.trainings[1:]:
        measurements.add(Measurement(key=key("classic", training), seconds=10, accuracy=0.9))
    whole = of_workload(five, measurements, key("classic"))
    assert whole is not None and whole.seconds == 80 and whole.accuracy == pytest.approx((0.5 + 4 * 0.9) / 5)


def test_measurements_outlive_an_interruption(measurements: Measurements, tmp_path: Path) -> None:
    with open(tmp_path / RAW, "a") as file:
        file.write('\n{"key": {"contender": "cl')
    again = Measurements(tmp_path)
    assert list(again) == list(measurements)
    again.add(Measurement(key=key("fastai"), seconds=1.0))
    assert Measurements(tmp_path).find(key("fastai")) is not None, "the half line before it does no harm"


def test_other_conditions_are_other_measurements(measurements: Measurements) -> None:
    assert line(WORKLOADS["linear_probe"], measurements, replace(RECIPE, threads=2)).seconds("classic") is None


def test_the_page_shows_what_was_measured(measurements: Measurements, tmp_path: Path) -> None:
    speeds = {"nobody": 10.0, "one tab": 9.0}
    times = PageTimes(
        backbone="vgg11", threads=2, idle={"monitor": 41.4}, training={"monitor": 99.6}, images_per_second=speeds
    )
    record_files.write(tmp_path / PAGES, times)
    for repetition, (on, off) in enumerate([(2.0, 6.0), (2.0, 10.0), (4.0, 12.0)]):
        for contender, seconds in ((PART, on), (WITHOUT_PART, off)):
            measurements.add(Measurement(key=key(contender, "activations", repetition), seconds=seconds))
    spent = dict.fromkeys(OPERATIONS, 0.5)
    measurements.add(Measurement(key=key(OPERATION, "last_block"), seconds=10.0, stages=spent))
    text = written(tmp_path)
    ratios = (
        *("**20.00** (20.00–20.00)", "≥ 20 met", "**25.00** (25.00–25.00)", "–", "**1.25** (1.25–1.25)"),
        *("≤ 1.15 missed", "**40.00** (40.00–40.00)"),
    )
    for row in (
        f"linear probe | {' | '.join(ratios)}",
        "linear probe | 80.00 (40.00–160.00) | – | 3.20 (1.60–6.40) | 4.00 (2.00–8.00) | 2.00 (1.00–4.00)",
        "frozen activations kept: linear probe | 10.00 (6.00–12.00) | 2.00 (2.00–4.00) | **3.00** (3.00–5.00)",
        f"last block | 10.00 | {'5 % | ' * len(OPERATIONS)}70 %",
        "monitor | 41 | 100",
        "one tab | 9.0 | 90 %",
    ):
        assert f"| {row} |\n" in text
    assert "3 repetitions" in text and "while vgg11 trains on 2 CPU thread(s):" in text
    assert "full fine-tuning" not in text.split("## How many")[1] and "How the cost grows" not in text


def test_the_page_says_where_the_time_goes(tmp_path: Path) -> None:
    measurements = Measurements(tmp_path)
    for repetition, seconds in enumerate((1.0, 5.0, 3.0)):
        stages = {"frozen part": seconds, "answers": 0.25}
        measurements.add(Measurement(key=key("thaw", repetition=repetition), seconds=9.0, stages=stages))
    text = written(tmp_path)
    assert "|  | frozen part | answers |" in text and "| linear probe | 3.00 | 0.25 |" in text


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_the_page_says_that_there_was_no_gpu_only_when_there_was_none(tmp_path: Path, device: str) -> None:
    recipe = replace(RECIPE, device=device)
    Measurements(tmp_path).add(Measurement(key=key("thaw", recipe=recipe), seconds=1.0))
    text = written(tmp_path, recipe)
    assert ("Nothing on this page was measured on a GPU." in text) is (device == "cpu") and "A dash stands for" in text


def test_growth_is_told_by_image_and_drawn_beside_the_page(measurements: Measurements, tmp_path: Path) -> None:
    for images, epochs in ((250, 15), (500, 15), (250, 30)):
        recipe = replace(RECIPE, images=images, epochs=epochs)
        measurements.add(Measurement(key=key(GROWTH, "last_block", recipe=recipe), seconds=images * epochs / 1500))
    assert growth_series(measurements, RECIPE, by="images") == {"last_block": [(250, 10), (500, 10)]}
    assert growth_series(measurements, RECIPE, by="epochs") == {"last_block": [(15, 10), (30, 20)]}
    assert "(performance/images.svg)" in written(tmp_path)
    assert {path.name for path in (tmp_path / "docs" / "performance").iterdir()} == {"images.svg", "epochs.svg"}


def test_a_plot_escapes_names_and_starts_at_zero() -> None:
    plots = [line_plot("a & b", "images", "ms", series={"<b>": [(250, 10.0), (4000, 5.0)]}) for _ in range(2)]
    assert plots[0] == plots[1], "the same figures make the same file"
    texts = [element.text for element in ElementTree.fromstring(plots[0]).iter() if element.tag.endswith("text")]
    assert {"a & b", "<b>", "250", "4,000", "0", "10"} <= set(texts)


def test_every_part_has_a_title_and_a_way_to_do_without_it() -> None:
    assert [part.name for part in PARTS] == list(TITLES)
    for part in PARTS:
        assert part.precision == "fp32" or part.environment or part.attribute
        with part.without():
            pass
