"""The arithmetic of the table, and the page that shows it, from measurements that are made up."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from engine.bench import plots
from engine.bench.arithmetic import line, of_row
from engine.bench.measurements import RAW, Key, Measurement, Measurements
from engine.bench.parts import PARTS
from engine.bench.report import ABOUT, PAGES, page_table, write_report
from engine.bench.rows import AGAIN, PART, ROWS, TITLES

LIKE = Key(
    contender="",
    what="",
    repetition=0,
    images=64,
    epochs=15,
    backbone="resnet18",
    image_size=0,
    threads=1,
    batch_size=32,
    device="auto",
    data="generated",
)


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
            key = replace(LIKE, contender=contender, what=what, repetition=repetition)
            made.add(Measurement(key=key, seconds=slow * seconds, accuracy=accuracy))
    return made


def test_ratios_are_taken_within_a_repetition(measurements: Measurements) -> None:
    made = line(ROWS["linear_probe"], measurements, LIKE, range(3))
    assert made.classic is not None and (made.classic.low, made.classic.middle, made.classic.high) == (20, 20, 20)
    assert made.bare is not None and made.bare.middle == pytest.approx(1.25)
    assert made.again is not None and made.again.middle == 40
    assert made.possible is not None and made.possible.middle == pytest.approx(25), (
        "what nothing but the mathematics would reach"
    )
    assert made.fastai is None
    seconds, accuracy = made.seconds["classic"], made.accuracy["classic"]
    assert seconds is not None and (seconds.low, seconds.middle, seconds.high) == (40, 80, 160)
    assert accuracy is not None and (accuracy.low, accuracy.middle, accuracy.high) == pytest.approx((0.5, 0.6, 0.7))


def test_trainings_add_up_and_seeds_multiply_for_those_who_share_nothing(measurements: Measurements) -> None:
    seeds = line(ROWS["seeds"], measurements, LIKE, range(3))
    assert seeds.classic is not None and seeds.classic.middle == 20 * 40 / 4
    assert of_row(ROWS["five"], "classic", measurements, LIKE) is None, "four of its trainings are missing"
    for training in ROWS["five"].trainings[1:]:
        measurements.add(Measurement(key=replace(LIKE, contender="classic", what=training), seconds=10, accuracy=0.9))
    five = of_row(ROWS["five"], "classic", measurements, LIKE)
    assert five is not None and five.seconds == 80 and five.accuracy == pytest.approx((0.5 + 4 * 0.9) / 5)


def test_measurements_outlive_an_interruption(measurements: Measurements, tmp_path: Path) -> None:
    with open(tmp_path / RAW, "a") as file:
        file.write('{"key": {"contender": "cl')
    again = Measurements(tmp_path)
    assert list(again) == list(measurements)
    key = replace(LIKE, contender="fastai", what="linear_probe")
    again.add(Measurement(key=key, seconds=1.0))
    assert Measurements(tmp_path).find(key) is not None, "the half line before it does no harm"


def test_other_conditions_are_other_measurements(measurements: Measurements) -> None:
    assert line(ROWS["linear_probe"], measurements, replace(LIKE, threads=2), range(3)).classic is None


def test_the_page_shows_what_was_measured(measurements: Measurements, tmp_path: Path) -> None:
    about = {
        "command": "python -m engine bench",
        "date": "2026-01-01",
        "machine": "A machine",
        "validation_images": 16,
        "side": 224,
    }
    (tmp_path / ABOUT).write_text(json.dumps({**about, "like": asdict(LIKE)}))
    (tmp_path / PAGES).write_text(
        json.dumps(
            {
                "reruns": {"monitor": {"idle": 41.4, "training": 99.6}},
                "throughput": {"images_per_second": {"nobody": 10.0, "one tab": 9.0}},
            }
        )
    )
    for images in (250, 500):
        key = replace(LIKE, contender="thaw", what="growth of last_block", images=images)
        measurements.add(Measurement(key=key, seconds=images / 100))
    for repetition, (on, off) in enumerate([(2.0, 6.0), (2.0, 10.0), (4.0, 12.0)]):
        for name, seconds in (("activations, on", on), ("activations, off", off)):
            key = replace(LIKE, contender=PART, what=name, repetition=repetition)
            measurements.add(Measurement(key=key, seconds=seconds))
    page = write_report([tmp_path], tmp_path / "docs" / "performance.md")
    text = page.read_text()
    assert (
        "| frozen activations kept: linear probe | 10.00 (6.00–12.00) | 2.00 (2.00–4.00) | **3.00** (3.00–5.00) |"
        in text
    )
    ratios = (
        "**20.00** (20.00–20.00)",
        "≥ 20 met",
        "**25.00** (25.00–25.00)",
        "–",
        "**1.25** (1.25–1.25)",
        "≤ 1.15 missed",
    )
    assert f"| linear probe | {' | '.join(ratios)} | **40.00** (40.00–40.00) |" in text
    assert "| linear probe | 80.00 (40.00–160.00) | – | 3.20 (1.60–6.40) |" in text
    assert "3 repetitions" in text and "| monitor | 41 | 100 |" in text and "| one tab | 9.0 | 90 % |" in text
    assert "full fine-tuning" not in text.split("## How many")[1]
    picture = ElementTree.parse(page.parent / "performance" / "images.svg").getroot()
    dots = [element for element in picture.iter() if element.tag.endswith("circle")]
    assert len(dots) == 2 and dots[0].get("cy") == dots[1].get("cy"), "10 ms an image, for few and for many"


@pytest.mark.parametrize(
    ("device", "machine", "said"),
    [
        ("cpu", "A processor, 8 cores, 32 GiB, Linux", True),
        ("auto", "A processor, 8 cores, 32 GiB, Linux", True),  # measured by an earlier version
        ("auto", "A processor, 8 cores, A GPU, 32 GiB, Linux", False),
        ("cuda:0", "A processor, 8 cores, A GPU, 32 GiB, Linux", False),
    ],
)
def test_the_page_says_that_there_was_no_gpu_only_when_there_was_none(
    tmp_path: Path, device: str, machine: str, said: bool
) -> None:
    about = {"command": "c", "date": "d", "machine": machine, "validation_images": 16, "side": 224}
    like = replace(LIKE, device=device)
    (tmp_path / ABOUT).write_text(json.dumps({**about, "like": asdict(like)}))
    Measurements(tmp_path).add(Measurement(key=replace(like, contender="thaw", what="linear_probe"), seconds=1.0))
    text = write_report([tmp_path], tmp_path / "report.md").read_text()
    assert ("Nothing on this page was measured on a GPU." in text) is said and "A dash stands for" in text


def test_the_page_names_what_trained_while_pages_were_measured() -> None:
    found = {"reruns": {}, "throughput": {"images_per_second": {"nobody": 1.0}}}
    assert "while vgg11 trains on 2 CPU thread(s):" in page_table(
        {"backbone": "vgg11", "threads": 2, **found}, "resnet18"
    )
    assert "while resnet50 trains" in page_table(found, "resnet50")


def test_every_part_has_a_title_and_a_way_to_do_without_it() -> None:
    assert [part.name for part in PARTS] == list(TITLES)
    for part in PARTS:
        with part.without():
            pass


def test_a_plot_escapes_names_and_starts_at_zero() -> None:
    picture = ElementTree.fromstring(plots.lines("a & b", "images", "ms", {"<b>": [(250, 10.0), (4000, 5.0)]}))
    texts = [element.text for element in picture.iter() if element.tag.endswith("text")]
    assert {"a & b", "<b>", "250", "4,000", "0", "10"} <= set(texts)


def test_the_page_says_where_the_time_goes(tmp_path: Path) -> None:
    measurements = Measurements(tmp_path)
    for repetition, seconds in enumerate((1.0, 5.0, 3.0)):
        key = replace(LIKE, contender="thaw", what="linear_probe", repetition=repetition)
        measurements.add(Measurement(key=key, seconds=9.0, about={"stages": {"frozen part": seconds, "answers": 0.25}}))
    about = {"command": "c", "date": "d", "machine": "m", "validation_images": 16, "side": 224, "like": asdict(LIKE)}
    (tmp_path / ABOUT).write_text(json.dumps(about))
    text = write_report([tmp_path], tmp_path / "report.md").read_text()
    assert "| | frozen part | answers |" in text and "| linear probe | 3.00 | 0.25 |" in text
