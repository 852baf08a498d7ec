"""Steps are recorded at a pace people can read, and nothing that matters is lost on the way."""

from engine.store.database import Json
from engine.work.conversation import GRACE_SECONDS, PACE_SECONDS, Errand, Pace


def step(number: int) -> Json:
    return {"event": "step", "step": number}


def recorded(events: list[Json], seconds_between: float) -> list[Json]:
    """What a pace records of events that come so far apart."""
    written: list[Json] = []
    now = [0.0]
    pace = Pace(written.append, clock=lambda: now[0])
    for event in events:
        pace.take(event)
        pace.tick()
        now[0] += seconds_between
    pace.flush()
    return written


def test_a_flood_of_steps_is_recorded_twice_a_second_with_the_first_and_the_last():
    written = recorded([step(number) for number in range(1000)], 0.01)
    assert 19 <= len(written) <= 22
    assert (written[0], written[-1]) == (step(0), step(999))


def test_every_epoch_note_and_pause_is_recorded_in_order():
    others: list[Json] = [
        {"event": "note", "text": "x"},
        {"event": "progress", "paused": True},
        {"event": "progress", "paused": False},
    ]
    epochs: list[Json] = [{"event": "epoch", "epoch": number} for number in range(50)]
    mixed = [
        event for pair in zip([step(number) for number in range(53)], [*others, *epochs], strict=True) for event in pair
    ]
    written = recorded(mixed, 0.001)
    assert [event for event in written if event["event"] != "step"] == [*others, *epochs]
    assert len(written) < 60


def test_a_step_before_a_pause_is_recorded_before_it():
    written = recorded([step(1), step(2), {"event": "progress", "paused": True}], 0.0)
    assert written == [step(1), step(2), {"event": "progress", "paused": True}]


def test_requests_are_passed_on_once_each():
    now, asked = [0.0], [None, "pause", "pause", None, "pause", "resume"]
    errand = Errand({}, lambda event: None, lambda: asked.pop(0), clock=lambda: now[0])
    news = []
    while asked:
        now[0] += PACE_SECONDS / 2
        news.append(errand.new_request())
    assert [request for request in news if request] == ["pause", "pause", "resume"]


def test_a_child_that_was_paused_for_an_hour_is_given_time_to_stop():
    now = [0.0]
    errand = Errand({}, lambda event: None, lambda: "stop", clock=lambda: now[0])
    now[0] = 3600.0
    assert errand.new_request() == "stop"
    assert not errand.deaf()
    now[0] += GRACE_SECONDS - 1
    assert not errand.deaf()
    errand.hear(step(1))
    now[0] += GRACE_SECONDS - 1
    assert not errand.deaf()
    now[0] += 2
    assert errand.deaf()
