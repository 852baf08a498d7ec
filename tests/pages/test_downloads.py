"""The files of a comparison as a browser gets them: they parse, they say what the page says, and the report needs
nobody."""

import io
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from engine.comparisons.comparison import Comparison
from engine.comparisons.judgement import judgement
from engine.comparisons.wording import sentences
from engine.data.dataset_records import Dataset
from engine.workspace import Workspace
from pages.ui.compare import report
from tests.pages import compared, made
from tests.pages.test_endpoints import ask

NAME = "</title><script>alert(1)</script> 고양이 & $(x)"
RIGHT = {"linear_probe_steps": 0.5, "full_finetune": 0.95}


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return made.dataset(workspace, classes=("고양이 </script><script>alert(2)</script>", "=cmd()", "나비"))


@pytest.fixture
def comparison(workspace: Workspace, dataset: Dataset) -> Comparison:
    return compared.finished(workspace, dataset, RIGHT, seeds=2, images=12, name=NAME)


class Reader(HTMLParser):
    """What a browser would make of a file: its tags with attributes, and its text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said, self._in = "", ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in not in ("script", "style"):
            self.said += data


def test_the_sheets_parse_and_hold_a_row_a_run_and_a_row_an_image(comparison: Comparison) -> None:
    answer = ask(f"/api/comparisons/{comparison.id}/comparison.csv")
    runs = pd.read_csv(io.BytesIO(answer.body), encoding="utf-8-sig")
    assert answer.status == 200 and len(runs) == 4 and set(runs["row"]) == set(RIGHT)
    images = pd.read_csv(io.BytesIO(ask(f"/api/comparisons/{comparison.id}/result.csv").body), encoding="utf-8-sig")
    assert len(images) == 12 + 12
    assert "linear_probe_steps (mean of 2 seeds)" in images.columns
    assert images["label"].str.startswith("'=cmd").any()  # disarmed


def test_the_report_says_what_was_judged_and_stands_alone(workspace: Workspace, comparison: Comparison) -> None:
    answer = ask(f"/api/comparisons/{comparison.id}/report.html")
    assert answer.status == 200 and "attachment" in answer.headers["content-disposition"]
    read = Reader(answer.body.decode())
    for sentence in sentences(judgement(workspace, comparison, compared.runs_of(workspace, comparison))):
        assert sentence in read.said
    assert (
        NAME in read.said and "torch 2.0" in read.said and "--strategies linear_probe_steps,full_finetune" in read.said
    )
    assert "고양이 </script><script>alert(2)</script>" in read.said
    assert [(tag, about) for tag, about in read.tags if {"src", "href", "action", "srcset"} & about.keys()] == []
    assert {tag for tag, _ in read.tags} & {"link", "iframe", "img", "object", "form", "base"} == set()
    policy = next(about["content"] for tag, about in read.tags if about.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'") and "http" not in policy
    figures = sum(tag == "div" and str(about.get("id", "")).startswith("figure") for tag, about in read.tags)
    assert figures == 6 == sum(tag == "script" for tag, _ in read.tags) - 2  # the library, and unfolding for paper
    assert read.said.index("Take ") < read.said.index("What this rests on") < read.said.index("Validation chose")
    ours = re.sub(r"<script>/\*.*?</script>", "", answer.body.decode(), count=1, flags=re.S)
    assert "http" not in ours.replace("http-equiv", "")


def test_the_report_writes_large_numbers_out_and_says_when_no_image_judged(
    workspace: Workspace, comparison: Comparison
) -> None:
    assert [report.cell(value) for value in (12345.6, 0.12345, -1234.5, None)] == ["12,346", "0.1235", "-1,234", "–"]
    compared.without_predictions(workspace, compared.runs_of(workspace, comparison))
    assert "0 images" not in report.report(workspace, compared.evidence_now(workspace, comparison))


def test_before_anything_has_finished_there_is_a_report_but_no_result(workspace: Workspace, dataset: Dataset) -> None:
    waiting = compared.comparison(workspace, dataset)
    assert "nothing to judge" in ask(f"/api/comparisons/{waiting.id}/report.html").body.decode()
    refused = ask(f"/api/comparisons/{waiting.id}/result.csv")
    assert refused.status == 404 and "Let one finish" in refused.error


def test_other_files_and_other_comparisons_are_refused(comparison: Comparison) -> None:
    assert "no file of that name" in ask(f"/api/comparisons/{comparison.id}/thaw.sqlite").error
    assert "There is no comparison" in ask("/api/comparisons/comparison-0000000000/report.html").error
    assert ask("/api/comparisons/..%2F..%2Fx/report.html").status == 404
