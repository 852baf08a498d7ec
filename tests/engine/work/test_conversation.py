"""Steps are recorded at a pace people can read, and nothing that matters is lost on the way."""

from engine.events import Ask, Epoch, Event, Note, Paused, Step, TrainRun
from engine.work.conversation import GRACE_SECONDS, PACE_SECONDS, Assignment

COMMAND = TrainRun(run="run-0123456789", device="cpu")


def step(number: int) -> Step:
    return Step(epoch=1, step=number, steps=1000)


def recorded(events: list[Event], seconds_between: float) -> list[Event]:
    """What is recorded of events that come so far apart."""
    now, written = [0.0], []
    assignment = Assignment(COMMAND, lambda: None, clock=lambda: now[0])
    for event in events:
        written += assignment.hear(event)
        now[0] += seconds_between
    return [*written, *assignment.held_back()]


def test_a_flood_of_steps_is_recorded_twice_a_second_with_the_first_and_the_last():
    written = recorded([step(number) for number in range(1000)], 0.01)
    assert 19 <= len(written) <= 22
    assert (written[0], written[-1]) == (step(0), step(999))


def test_every_epoch_note_and_pause_is_recorded_in_order():
    others = [Note(text="x"), Paused(paused=True), Paused(paused=False), *(Epoch(epoch=n) for n in range(50))]
    mixed = [event for number, other in enumerate(others) for event in (step(number), other)]
    written = recorded(mixed, 0.001)
    assert [event for event in written if not isinstance(event, Step)] == others
    assert len(written) < 60


def test_a_step_before_a_pause_is_recorded_before_it():
    assert recorded([step(1), step(2), Paused(paused=True)], 0.0) == [step(1), step(2), Paused(paused=True)]


def test_silence_lets_the_held_step_through():
    assert recorded([step(1), step(2), None, None], PACE_SECONDS / 2) == [step(1), step(2)]


def test_requests_are_passed_on_once_each():
    now, asked = [0.0], [None, "pause", "pause", None, "pause", "resume"]
    assignment = Assignment(COMMAND, lambda: asked.pop(0), clock=lambda: now[0])
    news = []
    while asked:
        now[0] += PACE_SECONDS / 2
        news.append(assignment.new_request())
    assert [request for request in news if request] == [Ask(what="pause"), Ask(what="pause"), Ask(what="resume")]


def test_a_child_that_was_paused_for_an_hour_is_given_time_to_stop():
    now = [0.0]
    assignment = Assignment(COMMAND, lambda: "stop", clock=lambda: now[0])
    now[0] = 3600.0
    assert assignment.new_request() == Ask(what="stop")
    assert not assignment.deaf()
    now[0] += GRACE_SECONDS - 1
    assert not assignment.deaf()
    assignment.hear(step(1))
    now[0] += GRACE_SECONDS - 1
    assert not assignment.deaf()
    now[0] += 2
    assert assignment.deaf()
