"""What the model looked at, on the page: asked for once, followed, drawn, and its failures in one sentence."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine.evaluation import predictions
from engine.events import Progress
from engine.jobs import heat_map_files
from engine.jobs.heat_map_files import Explanation, Subject
from engine.store.job_store import JobStore
from engine.store.run_record import Run
from engine.workspace import Workspace, open_workspace
from pages.ui.predictions.image_gallery import ImageSource
from pages.ui.predictions.predicted_images import predicted_images, run_table
from tests.pages import made, prepared
from tests.pages.test_endpoints import ask

CAT, DOG, _ = made.CLASSES
FIRST = Subject(image=0)


@pytest.fixture(autouse=True)
def weights(workspace: Workspace, run: Run) -> Path:
    path = workspace.run(run.id) / "best.safetensors"
    path.write_bytes(b"weights")
    return path


def panel(run: Run, *classes: str, image: int = 0, new: str = "") -> AppTest:
    """A page that shows nothing else."""

    def script(run_id: str, image: int, new: str, classes: tuple[str, ...]) -> None:
        from engine.jobs.heat_map_files import Subject
        from pages.ui.heat_maps import heat_maps

        heat_maps(run_id, Subject(image=image, predictions=new), classes, key="test")

    return prepared.alone(script, run_id=run.id, image=image, new=new, classes=classes)


def explained(
    run: Run,
    of: str,
    *,
    subject: Subject = FIRST,
    silent: bool = False,
    share: float = 0.75,
) -> Explanation:
    """What an explain job leaves."""
    name = heat_map_files.name_of(open_workspace(), run.id, subject, of=of)
    explanation = Explanation(name=name, of=of, probability=share, silent=silent)
    pictures = {picture: png(number) for number, picture in enumerate(heat_map_files.PICTURES)}
    heat_map_files.keep_heat_map(open_workspace(), run.id, explanation, pictures=pictures)
    return explanation


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), shade, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def groups(page: AppTest) -> list[dict]:
    return next((grid["groups"] for grid in prepared.components(page, "figures")), [])


def wanted(run: Run, name: str, image: int = 0) -> dict[str, object]:
    return {"run": run.id, "image": image, "class": name}


def asked() -> list[tuple[str, dict]]:
    return [(job.status, json.loads(job.arguments)) for job in JobStore(open_workspace()).list("explain")]


def test_what_is_missing_is_asked_for_once_and_followed(run: Run) -> None:
    page = panel(run, CAT, DOG, CAT)
    expected = [("queued", wanted(run, name)) for name in (DOG, CAT)]
    assert asked() == expected
    assert page.get("progress")[0].proto.text == "Waiting for its turn …"
    page.run()
    assert asked() == expected
    jobs = JobStore(open_workspace())
    job = jobs.claim("1:1")
    assert job is not None
    jobs.record(job.id, Progress(stage="loading the model", done=1, total=4))
    page.run()
    assert page.get("progress")[0].proto.text == "Loading the model · 1 of 4"
    assert page.get("progress")[0].proto.value == 25
    assert groups(page) == []


def test_the_maps_come_with_their_checks_and_one_sentence_about_them(run: Run) -> None:
    cat, dog = explained(run, CAT), explained(run, DOG, silent=True, share=0.031)
    page = panel(run, CAT, DOG)
    assert not page.exception and asked() == [] and not page.get("progress")
    seen, first, second = groups(page)
    assert [figure["src"] for figure in seen["figures"]] == [f"/api/explanations/{run.id}/{cat.name}/crop.png"]
    assert "random weights, which has learnt nothing" in seen["words"]
    for group, explanation in ((first, cat), (second, dog)):
        sources = [f"/api/explanations/{run.id}/{explanation.name}/{picture}.png" for picture in ("heat", "chance")]
        assert [figure["src"] for figure in group["figures"]] == sources
        assert explanation.of in group["title"] and explanation.of in group["figures"][0]["alt"]
    assert first["title"].endswith("75.0 %") and second["title"].endswith("3.1 %")
    notes = [group["figures"][0]["note"] for group in (first, second)]
    assert notes == ["The trained model.", "Nothing here speaks for it."]
    assert [ask(figure["src"]).status for group in (seen, first, second) for figure in group["figures"]] == [200] * 5


def test_waiting_does_not_read_every_map_ever_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:

    panel(run, CAT)
    monkeypatch.setattr(JobStore, "list", lambda *_: pytest.fail("all jobs were read"))
    page = panel(run, CAT)
    assert not page.exception and len(page.get("progress")) == 1


def test_one_map_is_shown_while_the_other_is_made(run: Run) -> None:
    explained(run, CAT)
    page = panel(run, CAT, DOG)
    assert [job[1]["class"] for job in asked()] == [DOG]
    assert len(groups(page)) == 2 and len(page.get("progress")) == 1


def test_a_failure_is_one_harmless_sentence_and_can_be_tried_again(workspace: Workspace, run: Run) -> None:
    prepared.job(workspace, "explain", wanted(run, CAT), error="The image '![x](http://evil.example)' is gone.")
    page = panel(run, CAT)
    assert [status for status, _ in asked()] == ["failed"]
    assert "![" not in page.error[0].value and "gone" in page.error[0].value
    page.button(key="again_explain_test").click().run()
    assert [status for status, _ in asked()] == ["queued", "failed"]
    assert not page.run().error


def test_what_was_dropped_is_made_again(workspace: Workspace, run: Run) -> None:
    prepared.job(workspace, "explain", wanted(run, CAT), result={"explanation": "gone"})
    panel(run, CAT)
    assert [status for status, _ in asked()] == ["queued", "finished"]


def test_a_run_without_weights_says_so_and_asks_for_nothing(run: Run, weights: Path) -> None:
    assert "knows no class" in panel(run, "unheard of").error[0].value
    weights.unlink()
    assert "no trained weights" in panel(run, CAT).error[0].value
    assert asked() == []


def test_new_images_are_shown_with_a_word_about_their_small_copy(workspace: Workspace, run: Run) -> None:
    new = made.new_predictions(workspace, run)
    panel(run, CAT, image=1, new=new)
    assert asked() == [("queued", {**wanted(run, CAT, 1), "predictions": new})]
    explained(run, CAT, subject=Subject(image=1, predictions=new))
    page = panel(run, CAT, image=1, new=new)
    assert len(groups(page)) == 2
    assert any("small copy" in element.value for element in page.caption)


def test_the_button_asks_for_the_predicted_class_and_the_true_one(workspace: Workspace, run: Run) -> None:
    table = run_table(run.id).sort_values("correct", kind="stable")  # mistakes first
    predictions.write(workspace.run(run.id) / "predictions.csv", table)
    mistake, following = predicted_images(table)[:2]
    page = prepared.prediction_dialog(run)
    assert asked() == []  # nothing is computed before somebody wants it
    page.button(key="heat_maps").click().run()
    assert not page.exception and mistake.truth != mistake.guess
    expected = [wanted(run, name, mistake.image) for name in (mistake.truth, mistake.guess)]
    assert [arguments for _, arguments in asked()] == expected
    page.button(key="position_next").click().run()  # the next image is looked at in the same way
    assert {arguments["image"] for _, arguments in asked()} == {mistake.image, following.image}
    assert page.get("progress")
    page.button(key="heat_maps").click().run()
    assert not page.get("progress")


@pytest.mark.parametrize("label", ["", "of another dataset"])
def test_only_a_class_that_the_model_knows_is_explained(workspace: Workspace, run: Run, label: str) -> None:
    predictions.write(workspace.run(run.id) / "predictions.csv", run_table(run.id).assign(label=label))
    prepared.prediction_dialog(run).button(key="heat_maps").click().run()
    assert [arguments["class"] for _, arguments in asked()] == [run_table(run.id)["predict"][0]]


def test_new_images_are_explained_by_their_row(run: Run) -> None:
    image = predicted_images(run_table(run.id))[3]
    assert ImageSource(run=run.id, dataset=run.config.dataset).subject(image) == Subject(image=image.image)
    subject = Subject(image=3, predictions="predict-00000000")
    assert ImageSource(run=run.id, predictions="predict-00000000").subject(image) == subject


def test_the_route_serves_pictures_and_nothing_beside_them(run: Run) -> None:
    explanation = explained(run, CAT)
    address = f"/api/explanations/{run.id}/{explanation.name}"
    answer = ask(f"{address}/heat.png")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "image/png", png(1))
    assert answer.headers["x-content-type-options"] == "nosniff" and "immutable" in answer.headers["cache-control"]
    for path in (
        f"{address}/about.png",
        f"/api/explanations/{run.id}/../heat.png",
        f"/api/explanations/x/{explanation.name}/heat.png",
    ):
        assert ask(path).status == 404
    other = explanation.name.replace("image-0", "image-1")
    assert "not there" in ask(f"/api/explanations/{run.id}/{other}/heat.png").error


def test_the_page_loads_without_torch_and_captum() -> None:
    heavy = ("torch", "captum", "matplotlib", "PIL.Image")
    loads = "import sys, pages.ui.predictions.image_gallery, pages.endpoints"
    code = f"{loads}; print([name for name in {heavy} if name in sys.modules])"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True).strip() == "[]"
