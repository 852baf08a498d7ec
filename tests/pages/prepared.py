"""What the Configure, Monitor and Compare pages read, laid down as the worker would: a catalog, outlines, runs with
epochs."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from engine.data.dataset_records import Dataset
from engine.evaluation.metric_records import Metrics, SplitMetrics, write_metrics
from engine.events import Epoch, Finished, Progress, Started, StartedBlock, StartedPhase, Summary
from engine.models.catalog import BackboneInfo, WeightsInfo, write_catalog
from engine.models.outline import BlockOutline, Outline, ParameterOutline, save_outline, with_classes
from engine.record_files import encode
from engine.runconfig import RunConfig
from engine.store.job_store import Job, JobStore
from engine.store.process_identity import this_process
from engine.store.run_record import Run
from engine.store.run_store import RunStore
from engine.training.freezing import plan_for
from engine.training.plan import groups, trainable_blocks, trainable_size
from engine.workspace import Workspace, open_workspace

ROUTER = Path(__file__).resolve().parents[2] / "pages" / "router.py"
OUTLINE = Outline(
    backbone="resnet18",
    classes=1000,
    input_size=224,
    blocks=tuple(
        BlockOutline(
            name=name,
            stage=stage,
            parameters=tuple(
                ParameterOutline(name=f"{name}.{kind}", size=size, kind=kind)
                for kind, size in (("weight", weights), ("bias", biases))
            ),
        )
        for name, stage, weights, biases in (
            ("conv1", "conv1", 9_000, 64),
            ("layer1.0", "layer1", 70_000, 64),
            ("layer4.1", "layer4", 4_000_000, 512),
            ("fc", "head", 512_000, 1000),
        )
    ),
)


def page(name: str, **query: str) -> AppTest:
    """The page inside the frame, as a person opens it by its address."""
    opened = AppTest.from_file(ROUTER, default_timeout=30)
    for key, value in query.items():
        opened.query_params[key] = value
    return opened.switch_page(f"{name}.py").run()


def predictions_view(tab: str, **query: str) -> AppTest:
    """The page Predictions with this tab in front."""
    opened = page("predictions", **query)
    opened.session_state["views"] = tab
    assert not opened.run().exception
    return opened


def unfolded(opened: AppTest, *keys: str) -> AppTest:
    """The page with these folded sections open, as after a click on each."""
    for key in keys:
        opened.session_state[key] = True
    return opened.run()


def start(opened: AppTest) -> Button:
    """The button of Configure that queues what is set."""
    return button(opened, "Start")


def button(opened: AppTest, label: str) -> Button:
    """The first button whose label begins so."""
    return next(button for button in opened.button if button.label.startswith(label))


def asked(opened: AppTest, key: str) -> Job:
    """The job that a click on the button `key` asks for, claimed."""
    opened.button(key=key).click().run()
    assert not opened.exception
    job = JobStore(open_workspace()).claim("1:1")
    assert job is not None
    return job


def answered(opened: AppTest, key: str, result: object = None, *, error: str | None = None) -> AppTest:
    """The page after a click on the button `key`, when the job has ended with `result` or `error`."""
    content = None if result is None else encode(result)
    JobStore(open_workspace()).finish(asked(opened, key).id, result=content, error=error)
    opened.run()
    assert not opened.exception
    return opened


def stepping(page: AppTest) -> AppTest:
    """Configure with a probe that takes steps in place of the one that is solved."""
    page.checkbox(key="strategy_linear_probe").uncheck()
    return page.checkbox(key="strategy_linear_probe_steps").check().run()


def catalog(workspace: Workspace) -> None:
    write_catalog(workspace, (_backbone("resnet18", 11_689_512, 69.758), _backbone("vgg11", 132_863_336, 69.02)))


def outline(workspace: Workspace) -> None:
    save_outline(workspace, OUTLINE)


def run(workspace: Workspace, of: Dataset, *, epochs: int = 2, status: str = "running", **options: object) -> Run:
    """A run on resnet18 that has trained for `epochs` epochs of the four it wants."""
    store, name = RunStore(workspace), str(options.pop("name", ""))
    wanted: dict[str, object] = {"strategy": "linear_probe_steps", "epochs": 4, **options}
    config = RunConfig(dataset=of.id, backbone="resnet18", **wanted)  # type: ignore[arg-type]
    made = store.enqueue(config, name=name, owner=this_process())
    workspace.run(made.id).mkdir(parents=True, exist_ok=True)
    sized = with_classes(OUTLINE, len(of.classes))
    plan = plan_for(sized, config)
    store.record(made.id, started(sized, config))
    rates = {group.name: group.rates[0] for group in groups(sized, plan)}
    for number in range(1, epochs + 1):
        store.record(made.id, epoch(number, rates))
    if status == "running":
        return store.get(made.id)
    return ended(workspace, made, status, error="The loss is not a number." if status == "failed" else None)


def ended(workspace: Workspace, run: Run, status: str = "finished", error: str | None = None, **summary: object) -> Run:
    """`run` as it is when it has ended, with this summary."""
    store = RunStore(workspace)
    if summary:
        store.record(run.id, Finished(summary=Summary(seconds=80.0, **summary)))  # type: ignore[arg-type]
    store.finish(run.id, status, error=error)
    return store.get(run.id)


def epoch(number: int, rates: dict[str, float], grad_norm: dict[str, float] | None = None) -> Epoch:
    score = 0.5 + 0.1 * number
    return Epoch(
        epoch=number,
        epochs=4,
        train_loss=1 - score,
        train_accuracy=score,
        val_loss=1.1 - score,
        val_accuracy=score - 0.05,
        best=True,
        lr=rates,
        grad_norm=grad_norm or {},
        seconds=20.0,
        images_per_second=12.0,
        memory_bytes=500_000_000,
    )


def finished(workspace: Workspace, of: Dataset, *, correct: int, images: int = 40, **options: object) -> Run:
    """A finished run with `correct` of `images` test images right."""
    from engine.evaluation.metrics import wilson_interval

    made = run(workspace, of, epochs=4, **options)
    low, high = wilson_interval(correct, images)
    test = correct / images
    kinds = [f"{score}_{kind}" for score in ("precision", "recall", "f1") for kind in ("macro", "weighted")]
    scores = SplitMetrics(
        images=images,
        accuracy=test,
        accuracy_low=low,
        accuracy_high=high,
        log_loss=0.5,
        per_class=(),
        confusion=(),
        **dict.fromkeys(kinds, test),
    )
    write_metrics(workspace.run(made.id), Metrics(splits={"val": scores, "test": scores}))
    return ended(workspace, made, best_epoch=4, val_accuracy=0.85, test_accuracy=test, frozen_unchanged=True)


def audited(
    workspace: Workspace, run: Run, verdicts: Mapping[str, str], *, best_epoch: int = 4, said: str = "All is well."
) -> Run:
    """A finished run with an audit.csv: two tensors for every block of OUTLINE, with the verdict of `verdicts` (frozen
    by default)."""
    rows = ["tensor,block,stage,values,may_move,moved,movement,verdict"]
    for block in OUTLINE.blocks:
        verdict = verdicts.get(block.name, "frozen")
        may, moved = verdict in ("trained", "idle"), verdict in ("trained", "broken")
        for parameter, movement in zip(block.parameters, ("0.02", "3e+12"), strict=True):  # a bias that started at zero
            length = "inf" if verdict == "broken" else movement if moved else "0"
            cells = (parameter.name, block.name, block.stage, parameter.size, may, moved, length, verdict)
            rows.append(",".join(map(str, cells)))
    (workspace.run(run.id) / "audit.csv").write_text("\n".join(rows) + "\n")
    return ended(workspace, run, best_epoch=best_epoch, audit=said)


def alone(script: Callable[..., None], **arguments: object) -> AppTest:
    """What `script` draws, by itself; it imports what it needs."""
    opened = AppTest.from_function(script, kwargs=arguments, default_timeout=30).run()
    assert not opened.exception
    return opened


def prediction_dialog(run: Run) -> AppTest:
    """The first image of the run's predictions in large."""

    def script(run_id: str, dataset: str) -> None:
        from pages.ui.predictions.image_gallery import ImageSource, _large
        from pages.ui.predictions.predicted_images import run_table

        _large(run_table(run_id), ImageSource(run=run_id, dataset=dataset))

    return alone(script, run_id=run.id, dataset=run.config.dataset)


def job(
    workspace: Workspace,
    kind: str,
    arguments: dict[str, object],
    *,
    progress: dict[str, object] | None = None,
    result: dict[str, object] | None = None,
    error: str | None = None,
) -> Job:
    """A job under way with its `progress`, or one that ended with its `result` or `error`."""
    jobs = JobStore(workspace)
    made = jobs.submit(kind, arguments)
    jobs.claim("1:1")
    if progress is not None:
        jobs.record(made.id, Progress(**progress))  # type: ignore[arg-type]
    else:
        jobs.finish(made.id, result=encode(result or {}), error=error)
    return jobs.get(made.id)


def components(opened: AppTest, name: str) -> list[dict]:
    """What our own components of this kind (gallery, figures, download ...) were given."""
    return [
        json.loads(element.proto.json)
        for element in opened.get("bidi_component")
        if element.proto.component_name == f"thaw_{name}"
    ]


def cards(opened: AppTest, label: str) -> list[dict]:
    """The thumbnails of the gallery with this label."""
    return next(grid["items"] for grid in components(opened, "gallery") if grid["label"] == label)


def drawn(opened: AppTest) -> str:
    """Everything on the page that Markdown or HTML could be made of."""
    kinds = ("markdown", "caption", "info", "error", "warning", "success")
    return "\n".join(element.value for kind in kinds for element in opened.get(kind))


def html(opened: AppTest) -> str:
    return "\n".join(element.proto.body for element in opened.get("html"))


def started(sized: Outline, config: RunConfig, **fields: object) -> Started:
    plan = plan_for(sized, config)
    trains = zip(*(trainable_blocks(sized, phase) for phase in plan.phases), strict=True)
    return Started(
        device="cpu",
        device_name="A small CPU",
        precision="fp32",
        trainable_parameters=trainable_size(sized, plan.phases[0]),
        total_parameters=sized.size,
        blocks=tuple(
            StartedBlock(name=block.name, stage=block.stage, size=block.size, trains=tuple(flags))
            for block, flags in zip(sized.blocks, trains, strict=True)
        ),
        phases=tuple(StartedPhase(epochs=phase.epochs, lr=phase.lr, lr_decay=phase.lr_decay) for phase in plan.phases),
        train_images=240,
        **fields,  # type: ignore[arg-type]
    )


def _backbone(name: str, parameters: int, accuracy: float) -> BackboneInfo:
    best = WeightsInfo(
        name="IMAGENET1K_V1",
        is_default=True,
        url=f"https://example.org/{name}.pth",
        file_name=f"{name}-00000000.pth",
        file_bytes=4 * parameters,
        acc1=accuracy,
        gflops=1.8,
        parameters=parameters,
        input_size=224,
        license="",
        recipe_url="",
        on_disk=False,
    )
    return BackboneInfo(
        name=name,
        family=name,
        parameters=parameters,
        gflops=1.8,
        input_size=224,
        min_size=33,
        size_step=1,
        weights=(best,),
    )
