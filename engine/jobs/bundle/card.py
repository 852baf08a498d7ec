"""The model card: what a bundle is, where it comes from, how good it is and what it is not good for, as Markdown.

A pure function of facts. Names that people chose are data here: escaped, whatever they hold. Not here: gathering the
facts.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence

from engine.config import options
from engine.events import StartedPhase
from engine.jobs.bundle.facts import Facts
from engine.jobs.bundle.formats import needed
from engine.models.sources.source import source_of
from engine.training.strategies import STRATEGIES

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+!|~$^=&@:]|(?<=[wW]{3})\.)")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_DIRECTION = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SCORES = (("accuracy", "accuracy"), ("precision_macro", "precision"), ("recall_macro", "recall"), ("f1_macro", "f1"))


def card(facts: Facts) -> str:
    """MODEL_CARD.md."""
    sections = (_front_matter, _head, _data, _scores, _training, _frozen, _licences, _limits)
    return "\n".join(section(facts).strip("\n") + "\n" for section in sections)


def licences(facts: Facts) -> str:
    """LICENSES.md."""
    source = source_of(facts.run.config.backbone)
    lines = [
        "`predict.py` is a part of Thaw, Apache-2.0 (<https://www.apache.org/licenses/LICENSE-2.0>).",
        f"The code of the model is not in here: `predict.py` takes it from {source.title}, {source.licence}.",
        f"`model.safetensors` and, where there is one, `model.onnx` hold trained weights. {_weights(facts)}",
        f"They were trained on images of {md(facts.origin.dataset.name)}. Whoever owns those knows whether it "
        f"may be passed on.",
    ]
    return f"# Licences\n\n{_bullets(lines)}\n"


def md(text: str) -> str:
    """`text` as literal Markdown within a line, of a table too: nothing in it links, loads, formats or ends a cell."""
    flat = "".join(
        c for c in " ".join(text.split()) if unicodedata.category(c) not in ("Cc", "Cs") and c not in _DIRECTION
    )
    return _PUNCTUATION.sub(r"\\\1", flat).replace("\\<", "&lt;")  # harmless to programs that know no backslashes, too


def scalar(value: object) -> str:
    """`value` as JSON that is YAML too: every string quoted, everything that YAML does not print escaped."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _front_matter(facts: Facts) -> str:
    split = "test" if "test" in facts.metrics else "val"
    dataset = {"name": facts.origin.dataset.name, "type": "image-folder", "split": split}
    metrics = facts.metrics.get(split)
    scores = [{"type": kind, "value": getattr(metrics, name)} for name, kind in _SCORES] if metrics else []
    result = {"task": {"type": "image-classification"}, "dataset": dataset, "metrics": scores}
    values = {
        "library_name": "torchvision",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "transfer-learning", "thaw", facts.run.config.backbone],
        "license": "other",
        "license_name": "see-licenses",
        "license_link": "LICENSES.md",
        "model-index": [{"name": facts.run.name, "results": [result]}],
    }
    return "\n".join(["---", *(f"{key}: {scalar(value)}" for key, value in values.items()), "---"])


def _head(facts: Facts) -> str:
    backbone = facts.run.config.backbone
    return f"""
# {md(facts.run.name)}

A {source_of(backbone).title} `{backbone}` that tells {len(facts.classes)} classes apart:
{", ".join(map(md, facts.classes))}.

`python predict.py photos/ --out result.csv` classifies images; it needs {needed(backbone)} only.
`model.safetensors` has the model's own tensor names, so `load_state_dict` takes it; `predict.py` shows how.

## Checked

{_bullets(facts.checks)}
"""


def _data(facts: Facts) -> str:
    dataset, counts = facts.origin.dataset, facts.counts
    rows = [
        [md(name), *(f"{numbers[index]:,}" for numbers in counts.values())] for index, name in enumerate(facts.classes)
    ]
    total = ["all", *(f"{sum(numbers):,}" for numbers in counts.values())]
    return f"""
## Data

The dataset {md(dataset.name)}, fingerprint `{dataset.fingerprint}` (of classes, image contents and split).

{_table(["class", *counts], [*rows, total])}
"""


def _scores(facts: Facts) -> str:
    splits = {split: facts.metrics[split] for split in ("val", "test") if split in facts.metrics}
    if not splits:
        return "## Scores\n\nThere was no image to measure it on.\n"
    rows = [
        [
            split,
            f"{scores.images:,}",
            f"{scores.accuracy:.1%}",
            f"{scores.accuracy_low:.1%} to {scores.accuracy_high:.1%}",
        ]
        + [f"{value:.3f}" for value in (scores.precision_macro, scores.recall_macro, scores.f1_macro, scores.log_loss)]
        for split, scores in splits.items()
    ]
    last = next(reversed(splits))
    per_class = [
        [md(row.name), *(_share(value) for value in (row.precision, row.recall, row.f1)), f"{row.support:,}"]
        for row in splits[last].per_class
    ]
    return f"""
## Scores

{_table(["split", "images", "accuracy", "95 % interval", "precision", "recall", "F1", "log loss"], rows)}

The interval is Wilson's; precision, recall and F1 are averages over the classes.

By class, on {last}:

{_table(["class", "precision", "recall", "F1", "images"], per_class)}
"""


def _phase(phase: StartedPhase) -> str:
    if phase.how == "solved":
        return "the head computed in one go"
    if phase.how == "interpolated":
        return "the weights before and after fine-tuning mixed"
    body = f", of {phase.lr * phase.body_share:g} before the head" if phase.body_share != 1 else ""
    decay = f", times {phase.lr_decay:g} for every block further down" if phase.lr_decay != 1 else ""
    return f"{phase.epochs} epochs at a rate of {phase.lr:g}{body}{decay}"


def _training(facts: Facts) -> str:
    config, started, summary = facts.run.config, facts.run.started, facts.run.summary
    phases = "; ".join(map(_phase, started.phases if started else ()))
    best = f"{summary.best_epoch} of {summary.epochs}" if summary else "? of ?"
    lines = [
        f"Strategy `{config.strategy}`: {' '.join(STRATEGIES[config.strategy].description.split())}",
        *([f"Phases: {phases}."] if phases else []),
        f"Best epoch {best} trained, by validation {config.select}.",
        f"Computed in {facts.origin.precision} on {md(started.device_name if started else 'an unknown device')}.",
        f"Versions: {', '.join(f'{name} {number}' for name, number in facts.origin.versions.items())}.",
    ]
    values = {option.name: getattr(config, option.name) for option in options()}
    changed = [option.name for option in options() if values[option.name] != option.default]
    rows = [[f"`{name}`", md(str(values[name]))] for name in changed]
    table = f"\nOptions that differ from their defaults:\n\n{_table(['option', 'value'], rows)}\n" if rows else ""
    return f"## Training\n\n{_bullets(lines)}\n{table}"


def _frozen(facts: Facts) -> str:
    started, summary = facts.run.started, facts.run.summary
    trains = {block.name: block.trains for block in (started.blocks if started else ())}
    rows = []
    for name, (moved, tensors) in facts.moved.items():
        phases = [str(number) for number, flag in enumerate(trains.get(name, ()), start=1) if flag]
        rows.append([f"`{name}`", f"in phase {', '.join(phases)}" if phases else "frozen", f"{moved} of {tensors}"])
    table = f"\n{_table(['block', 'trained', 'tensors that moved'], rows)}\n" if rows else ""
    return f"## What was frozen\n\n{summary.audit if summary else 'No audit was kept.'}\n{table}"


def _licences(facts: Facts) -> str:
    return f"## Licence\n\n{_weights(facts)}\n\n`LICENSES.md` goes through the files one by one.\n"


def _weights(facts: Facts) -> str:
    return " ".join([md(facts.weights.text), *(f"<{link}>" for link in facts.weights.links)])


def _limits(facts: Facts) -> str:
    fewest = min(facts.counts.get("train", [0]))
    scores = facts.metrics.get("test") or facts.metrics.get("val")
    lines = [
        "It answers every image with one of its classes, also an image that shows none of them.",
        "Its confidence is the softmax of its scores; nobody has shown that 0.9 means right nine times in ten.",
        f"It was measured on {scores.images if scores else 0:,} images from where its training images are "
        f"from, and on no other cameras, places or people.",
        "The validation score chose the best epoch and is therefore a little too good; the test score chose nothing.",
        f"The smallest class had {fewest:,} training images.",
        "What the published images and labels behind pretrained weights left out or got wrong, it may have inherited.",
    ]
    return f"## Limits\n\n{_bullets(lines)}\n"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows))
