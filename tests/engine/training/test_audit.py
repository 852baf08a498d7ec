"""The audit finds what moved, measures how far, and tells a broken promise from a kept one."""

import csv

import torch

from engine.training.audit import audit, remember, sentence, to_csv

STATE = {
    "stem.weight": torch.ones(4),
    "head.weight": torch.ones(2, 2),
    "head.bias": torch.zeros(2),
    "count": torch.tensor(3),
}
PLACES = {name: (name.split(".")[0], "stage") for name in STATE}


def after(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in STATE.items()} | changes


def test_verdicts() -> None:
    before = remember(STATE, {"head.weight", "head.bias"})
    rows = audit(
        before, after(**{"head.weight": torch.full((2, 2), 1.5)}), PLACES, may_move={"head.weight", "head.bias"}
    )
    assert {row.name: row.verdict for row in rows} == {
        "stem.weight": "frozen",
        "head.weight": "trained",
        "head.bias": "idle",
        "count": "frozen",
    }
    assert {row.name: row.movement for row in rows}["head.weight"] == 0.5
    assert (
        sentence(rows)
        == "All 2 frozen tensors are byte for byte what they were; 1 trained tensors moved, 1 that could train stood "
        "still."
    )


def test_a_single_bit_in_a_frozen_tensor_is_a_broken_promise() -> None:
    before = remember(STATE, {"head.weight"})
    nudged = STATE["stem.weight"].clone()
    nudged[0] = torch.nextafter(nudged[0], torch.tensor(2.0))
    rows = audit(before, after(**{"stem.weight": nudged}), PLACES, may_move={"head.weight"})
    assert [row.name for row in rows if row.verdict == "broken"] == ["stem.weight"]
    assert "1 frozen tensors moved, stem.weight first" in sentence(rows)


def test_the_table_has_a_row_a_tensor() -> None:
    rows = audit(remember(STATE, ()), STATE, PLACES, may_move=())
    read = list(csv.DictReader(to_csv(rows).splitlines()))
    assert [row["tensor"] for row in read] == list(STATE) and {row["verdict"] for row in read} == {"frozen"}


def test_a_tensor_that_started_at_zero_has_moved_by_one() -> None:
    rows = audit(remember(STATE, {"head.bias"}), after(**{"head.bias": torch.ones(2)}), PLACES, may_move={"head.bias"})
    assert {row.name: row.movement for row in rows}["head.bias"] == 1.0


def test_what_a_later_phase_releases_must_not_have_moved_yet() -> None:
    before = remember(STATE, {"head.weight", "stem.weight"})
    assert {row.name: row.verdict for row in audit(before, STATE, PLACES, may_move={"head.weight"})}[
        "stem.weight"
    ] == "frozen"
    rows = audit(before, after(**{"stem.weight": torch.zeros(4)}), PLACES, may_move={"head.weight"})
    assert {row.name: row.verdict for row in rows}["stem.weight"] == "broken"
