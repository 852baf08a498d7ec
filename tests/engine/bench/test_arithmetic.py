"""The arithmetic of the table, and the page that shows it, from measurements that are made up."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine import record_files
from engine.bench.arithmetic import of_workload, ratio, spread
from engine.bench.measurements import ABOUT, PAGES, RAW, About, Key, Measurement, Measurements, PageTimes, Recipe
from engine.bench.parts import PART, PARTS, WITHOUT_PART
from engine.bench.report import write_report
from engine.bench.workloads import AGAIN, WORKLOADS

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


def seconds(measurements: Measurements, name: str, contender: str) -> list[float]:
    return of_workload(measurements, contender, WORKLOADS[name])["seconds"].tolist()


def test_ratios_are_taken_within_a_repetition(measurements: Measurements) -> None:
    classic, thaw, bare, fastai = (
        of_workload(measurements, contender, WORKLOADS["linear_probe"])
        for contender in ("classic", "thaw", "bare", "fastai")
    )
    assert ratio(classic, thaw).tolist() == [20, 20, 20] and ratio(thaw, bare).tolist() == [1.25, 1.25, 1.25]
    assert ratio(fastai, thaw).empty and spread(fastai["seconds"]) == "–"
    assert spread(classic["seconds"], bold=True) == "**80.00** (40.00–160.00)"
    assert spread(classic["accuracy"], ".1f", middle="mean") == "0.6 (0.5–0.7)"


def test_trainings_add_up_and_seeds_multiply_for_those_who_share_nothing(measurements: Measurements) -> None:
    assert seconds(measurements, "seeds", "classic") == [800, 1600, 3200]
    assert seconds(measurements, "seeds", "thaw") == [4, 8, 16]
    assert seconds(measurements, "five", "classic") == [], "four of its trainings are missing"
    for training in WORKLOADS["five"].trainings[1:]:
        measurements.add(Measurement(key=key("classic", training), seconds=10, accuracy=0.9))
    (total,) = of_workload(measurements, "classic", WORKLOADS["five"]).itertuples()
    assert total.seconds == 80 and total.accuracy == pytest.approx((0.5 + 4 * 0.9) / 5)


def test_measurements_outlive_an_interruption(measurements: Measurements, tmp_path: Path) -> None:
    with open(tmp_path / RAW, "a") as file:
        file.write('\n{"key": {"contender": "cl')
    again = Measurements(tmp_path)
    assert list(again) == list(measurements)
    again.add(Measurement(key=key("fastai"), seconds=1.0))
    assert Measurements(tmp_path).find(key("fastai")) is not None, "the half line before it does no harm"


def test_other_conditions_are_other_measurements(measurements: Measurements, tmp_path: Path) -> None:
    assert "How many times as fast" not in written(tmp_path, replace(RECIPE, threads=2))


def test_the_page_shows_what_was_measured(measurements: Measurements, tmp_path: Path) -> None:
    speeds = {"nobody": 10.0, "one tab": 9.0}
    times = PageTimes(
        backbone="vgg11", threads=2, idle={"monitor": 41.4}, training={"monitor": 99.6}, images_per_second=speeds
    )
    record_files.write(tmp_path / PAGES, times)
    for repetition, (on, off) in enumerate([(2.0, 6.0), (2.0, 10.0), (4.0, 12.0)]):
        for contender, seconds in ((PART, on), (WITHOUT_PART, off)):
            measurements.add(Measurement(key=key(contender, "activations", repetition), seconds=seconds))
    text = written(tmp_path)
    ratios = (
        *("**20.00** (20.00–20.00)", "≥ 20 met", "**25.00** (25.00–25.00)", "–", "**1.25** (1.25–1.25)"),
        *("≤ 1.15 missed", "**40.00** (40.00–40.00)"),
    )
    for row in (
        f"linear probe | {' | '.join(ratios)}",
        "linear probe | 80.00 (40.00–160.00) | – | 3.20 (1.60–6.40) | 4.00 (2.00–8.00) | 2.00 (1.00–4.00)",
        "frozen activations kept: linear probe | 10.00 (6.00–12.00) | 2.00 (2.00–4.00) | **3.00** (3.00–5.00)",
        "monitor | 41 | 100",
        "one tab | 9.0 | 90 %",
    ):
        assert f"| {row} |\n" in text
    assert "3 repetitions" in text and "while vgg11 trains on 2 CPU thread(s):" in text
    assert "full fine-tuning" not in text.split("## How many")[1]


def test_the_page_says_where_the_time_goes(tmp_path: Path) -> None:
    measurements = Measurements(tmp_path)
    for repetition, seconds in enumerate((1.0, 5.0, 3.0)):
        stages = {"frozen part": seconds, "answers": 0.25}
        measurements.add(Measurement(key=key("thaw", repetition=repetition), seconds=9.0, stages=stages))
    text = written(tmp_path)
    assert "|  | frozen part | answers |" in text and "| linear probe | 3.00 | 0.25 |" in text


def test_whole_commands_have_rows_of_their_own(measurements: Measurements, tmp_path: Path) -> None:
    for contender, what, seconds in (
        ("thaw", "import", 3.0),
        ("classic", "last_block", 30.0),
        ("thaw", "last_block", 10.0),
    ):
        whole = replace(key(contender, what), whole=True)
        measurements.add(Measurement(key=whole, seconds=seconds, accuracy=0.5))
    text = written(tmp_path)
    assert "| last block | 30.00 (30.00–30.00) | 10.00 (10.00–10.00) | **3.00** (3.00–3.00) | ≥ 2.5 met |\n" in text
    assert "took 3.00 (3.00–3.00) seconds before it" in " ".join(text.split())
    assert "last block" not in text.split("### First start")[0], "trainings without their start are another thing"


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_the_page_says_that_there_was_no_gpu_only_when_there_was_none(tmp_path: Path, device: str) -> None:
    recipe = replace(RECIPE, device=device)
    Measurements(tmp_path).add(Measurement(key=key("thaw", recipe=recipe), seconds=1.0))
    text = written(tmp_path, recipe)
    assert ("Nothing on this page was measured on a GPU." in text) is (device == "cpu") and "A dash stands for" in text


def test_every_part_has_a_way_to_do_without_it() -> None:
    for part in PARTS:
        assert part.precision == "fp32" or part.environment or part.attribute
        with part.without():
            pass
