"""The audit finds what moved, measures how far, and tells a broken promise from a kept one."""

import csv

import torch

from engine.training.audit import Tensor, audit, remember, sentence, to_csv

STATE = {
    "stem.weight": torch.ones(4),
    "head.weight": torch.ones(2, 2),
    "head.bias": torch.zeros(2),
    "count": torch.tensor(3),
}
PLACES = {name: (name.split(".")[0], "stage") for name in STATE}


HEAD = {"head.weight", "head.bias"}


def audited(may_move: set[str], *, remembered: set[str] | None = None, **after: torch.Tensor) -> tuple[Tensor, ...]:
    """The audit of STATE after `after`, by names with a point for every `__`."""
    state = {name: tensor.clone() for name, tensor in STATE.items()}
    state |= {name.replace("__", "."): tensor for name, tensor in after.items()}
    return audit(remember(STATE, remembered or may_move), state, PLACES, may_move=may_move)


def test_verdicts() -> None:
    rows = audited(HEAD, head__weight=torch.full((2, 2), 1.5))
    verdicts = ["frozen", "trained", "idle", "frozen"]
    assert [(row.name, row.verdict) for row in rows] == list(zip(STATE, verdicts, strict=True))
    assert rows[1].movement == 0.5
    assert sentence(rows) == (
        "All 2 frozen tensors are byte for byte what they were; "
        "1 trained tensors moved, 1 that could train stood still."
    )


def test_a_single_bit_in_a_frozen_tensor_is_a_broken_promise() -> None:
    nudged = STATE["stem.weight"].clone()
    nudged[0] = torch.nextafter(nudged[0], torch.tensor(2.0))
    rows = audited({"head.weight"}, stem__weight=nudged)
    assert [row.name for row in rows if row.verdict == "broken"] == ["stem.weight"]
    assert "1 frozen tensors moved, stem.weight first" in sentence(rows)


def test_the_table_has_a_row_a_tensor() -> None:
    table = list(csv.DictReader(to_csv(audited(set())).splitlines()))
    assert [row["tensor"] for row in table] == list(STATE) and {row["verdict"] for row in table} == {"frozen"}


def test_a_tensor_that_started_at_zero_has_moved_by_one() -> None:
    assert audited({"head.bias"}, head__bias=torch.ones(2))[2].movement == 1.0


def test_what_a_later_phase_releases_must_not_have_moved_yet() -> None:
    remembered = {"head.weight", "stem.weight"}
    assert audited({"head.weight"}, remembered=remembered)[0].verdict == "frozen"
    assert audited({"head.weight"}, remembered=remembered, stem__weight=torch.zeros(4))[0].verdict == "broken"
