"""The model card: what a bundle is, where it comes from, how good it is and what it is not good for, as Markdown.

A pure function of facts. Names that people chose are data here: escaped, whatever they hold. Not here: gathering the
facts.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.config import options
from engine.events import Started, Summary
from engine.jobs.bundle.formats import needed
from engine.models.sources.source import source_of
from engine.runconfig import RunConfig
from engine.store.database import Json

_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#+!|~$^=&@:]|(?<=[wW]{3})\.)")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_DIRECTION = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SCORES = (("accuracy", "accuracy"), ("precision_macro", "precision"), ("recall_macro", "recall"), ("f1_macro", "f1"))


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything a card says."""

    name: str
    """What the person calls the run."""
    config: RunConfig
    strategy: str
    """What the strategy does, in a sentence or two."""
    origin: Json
    """config.json of the run: dataset, precision, preprocessing, versions."""
    classes: Sequence[str]
    counts: Mapping[str, Sequence[int]]
    """Images of each class, by split."""
    metrics: Mapping[str, Json]
    """Scores by split, as in metrics.json."""
    started: Started | None
    summary: Summary | None
    moved: Mapping[str, tuple[int, int]]
    """Block -> (tensors that moved, tensors)."""
    weights: str
    """Where the backbone's weights come from and what licence they have."""
    links: Sequence[str]
    """Addresses that say more of it."""
    checks: Sequence[str]


def card(facts: Facts) -> str:
    """MODEL_CARD.md."""
    sections = (_front_matter, _head, _data, _scores, _training, _frozen, _licences, _limits)
    return "\n".join(section(facts).strip("\n") + "\n" for section in sections)


def licences(facts: Facts) -> str:
    """LICENSES.md."""
    source = source_of(facts.config.backbone)
    lines = [
        "`predict.py` is a part of Thaw, Apache-2.0 (<https://www.apache.org/licenses/LICENSE-2.0>).",
        f"The code of the model is not in here: `predict.py` takes it from {source.title}, {source.licence}.",
        f"`model.safetensors` and, where there is one, `model.onnx` hold trained weights. {_weights(facts)}",
        f"They were trained on images of {md(facts.origin['dataset']['name'])}. Whoever owns those knows whether it "
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
    dataset = facts.origin["dataset"]
    scored = facts.metrics.get("test") or facts.metrics.get("val") or {}
    about = {"name": dataset["name"], "type": "image-folder", "split": "test" if "test" in facts.metrics else "val"}
    scores = [{"type": kind, "value": scored[name]} for name, kind in _SCORES if name in scored]
    result = {"task": {"type": "image-classification"}, "dataset": about, "metrics": scores}
    values = {
        "library_name": "torchvision",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "transfer-learning", "thaw", facts.config.backbone],
        "license": "other",
        "license_name": "see-licenses",
        "license_link": "LICENSES.md",
        "model-index": [{"name": facts.name, "results": [result]}],
    }
    return "\n".join(["---", *(f"{key}: {scalar(value)}" for key, value in values.items()), "---"])


def _head(facts: Facts) -> str:
    return f"""
# {md(facts.name)}

A {source_of(facts.config.backbone).title} `{facts.config.backbone}` that tells {len(facts.classes)} classes apart:
{", ".join(map(md, facts.classes))}.

`python predict.py photos/ --out result.csv` classifies images; it needs {needed(facts.config.backbone)} only.
`model.safetensors` has the model's own tensor names, so `load_state_dict` takes it; `predict.py` shows how.

## Checked

{_bullets(facts.checks)}
"""


def _data(facts: Facts) -> str:
    dataset, splits = facts.origin["dataset"], list(facts.counts)
    rows = [
        [md(name), *(f"{facts.counts[split][index]:,}" for split in splits)] for index, name in enumerate(facts.classes)
    ]
    total = ["all", *(f"{sum(facts.counts[split]):,}" for split in splits)]
    return f"""
## Data

The dataset {md(dataset["name"])}, fingerprint `{dataset["fingerprint"]}` (of classes, image contents and split).

{_table(["class", *splits], [*rows, total])}
"""


def _scores(facts: Facts) -> str:
    splits = {split: facts.metrics[split] for split in ("val", "test") if split in facts.metrics}
    rows = [
        [split, f"{r['images']:,}", f"{r['accuracy']:.1%}", f"{r['accuracy_low']:.1%} to {r['accuracy_high']:.1%}"]
        + [f"{r[name]:.3f}" for name in ("precision_macro", "recall_macro", "f1_macro", "log_loss")]
        for split, r in splits.items()
    ]
    columns = ["split", "images", "accuracy", "95 % interval", "precision", "recall", "F1", "log loss"]
    text = (
        f"## Scores\n\n{_table(columns, rows)}\n\nThe interval is Wilson's; precision, recall and F1 are averages "
        f"over the classes.\n"
    )
    last = next(reversed(splits), None)
    if last is None:
        return "## Scores\n\nThere was no image to measure it on.\n"
    per_class = [
        [md(row["class"]), *(_share(row[name]) for name in ("precision", "recall", "f1")), f"{row['support']:,}"]
        for row in splits[last]["per_class"]
    ]
    return f"{text}\nBy class, on {last}:\n\n{_table(['class', 'precision', 'recall', 'F1', 'images'], per_class)}\n"


def _training(facts: Facts) -> str:
    config, started = facts.config, facts.started
    chosen = [about.name for about in options() if getattr(config, about.name) != about.default]
    phases = "; ".join(f"{p.epochs} epochs at a rate of {p.lr:g}" for p in (started.phases if started else ()))
    versions = ", ".join(f"{name} {number}" for name, number in facts.origin["versions"].items())
    lines = [
        f"Strategy `{config.strategy}`: {facts.strategy}",
        *([f"Phases: {phases}; layer-wise rate decay {config.lr_decay:g}."] if phases else []),
        f"Best epoch {_best_epoch(facts)} trained, by validation {config.select}.",
        f"Computed in {facts.origin.get('precision', config.precision)} on "
        f"{md(started.device_name if started else 'an unknown device')}.",
        f"Versions: {versions}.",
    ]
    values = [[f"`{name}`", md(str(getattr(config, name)))] for name in chosen]
    told = f"\nOptions that differ from their defaults:\n\n{_table(['option', 'value'], values)}\n" if values else ""
    return f"## Training\n\n{_bullets(lines)}\n{told}"


def _best_epoch(facts: Facts) -> str:
    return f"{facts.summary.best_epoch} of {facts.summary.epochs}" if facts.summary else "? of ?"


def _frozen(facts: Facts) -> str:
    trains = {block.name: block.trains for block in (facts.started.blocks if facts.started else ())}
    rows = []
    for name, (moved, tensors) in facts.moved.items():
        phases = [str(number) for number, flag in enumerate(trains.get(name, ()), start=1) if flag]
        rows.append([f"`{name}`", f"in phase {', '.join(phases)}" if phases else "frozen", f"{moved} of {tensors}"])
    told = f"\n{_table(['block', 'trained', 'tensors that moved'], rows)}\n" if rows else ""
    return f"## What was frozen\n\n{facts.summary.audit if facts.summary else 'No audit was kept.'}\n{told}"


def _licences(facts: Facts) -> str:
    return f"## Licence\n\n{_weights(facts)}\n\n`LICENSES.md` goes through the files one by one.\n"


def _weights(facts: Facts) -> str:
    return " ".join([md(facts.weights), *(f"<{link}>" for link in facts.links)])


def _limits(facts: Facts) -> str:
    fewest = min(facts.counts.get("train", [0]))
    scored = next((facts.metrics[split]["images"] for split in ("test", "val") if split in facts.metrics), 0)
    lines = [
        "It answers every image with one of its classes, also an image that shows none of them.",
        "Its confidence is the softmax of its scores; nobody has shown that 0.9 means right nine times in ten.",
        f"It was measured on {scored:,} images from where its training images are from, and on no other cameras, "
        f"places or people.",
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
