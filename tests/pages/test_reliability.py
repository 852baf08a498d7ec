"""Confidence: whether it can be taken at its word, as a verdict, a diagram and advice."""

import json
import re

import numpy as np
import pytest

from engine.evaluation import calibration
from engine.store.run_record import Run
from engine.workspace import Workspace
from pages.ui.predictions import reliability
from tests.pages import made
from tests.pages.prepared import drawn, predictions_view


def test_too_few_images_to_judge_confidence_are_said(run: Run) -> None:
    assert f"at least {reliability.LEAST} validation or test images" in drawn(predictions_view("Confidence"))


@pytest.mark.parametrize(
    ("sharpness", "said"),
    [(1.0, "nothing here speaks against taking it at its word"), (4.0, "cannot be taken at its word")],
)
def test_the_verdict_tells_chance_from_overconfidence(sharpness: float, said: str) -> None:
    random = np.random.default_rng(0)
    honest = random.dirichlet(np.ones(3), 4000)
    targets = np.array([random.choice(3, p=row) for row in honest])
    claimed = honest**sharpness / (honest**sharpness).sum(1, keepdims=True)
    error = calibration.expected_calibration_error(claimed, targets)
    sentence = reliability.calibration_sentence(error, 4000)
    assert said in sentence and re.search(r"shows \d+\.\d % to \d+\.\d % by chance", sentence)
    advice = reliability.temperature_advice(calibration.fit_temperature(claimed, targets))
    assert ("too sure" in advice) == (sharpness > 1)
    bins = calibration.reliability(claimed, targets)
    assert len(reliability.reliability_diagram(bins).data[1].x) == len(bins) == calibration.BINS
    assert f"{100 * bins[0].accuracy:.0f} % right" in reliability.diagram_in_words(bins)


def test_a_hopeless_temperature_is_no_advice() -> None:
    assert "No temperature makes this confidence fit" in reliability.temperature_advice(50.0)


def test_the_reliability_diagram_is_drawn_for_enough_images(workspace: Workspace) -> None:
    run = made.finished_run(workspace, made.dataset(workspace, each=60), seed=1)
    page = predictions_view("Confidence", run=run.id)
    assert "expected calibration error" in drawn(page) and "temperature of" in drawn(page)
    specs = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    (diagram,) = [spec for spec in specs if "confidence" in spec["layout"]["xaxis"]["title"]["text"]]
    assert [len(trace["x"]) > 0 for trace in diagram["data"]] == [True, True]
