"""Callback work as events: results and errors arrive, and closing cancels."""

import pytest

from engine.errors import DatasetError
from engine.work.progress import Cancelled, Report, reported


def test_reports_become_events_and_the_result_is_returned() -> None:
    def work(report: Report) -> str:
        for done in range(1, 4):
            report("reading", done, 3)
        return "ready"

    events = reported(work)
    seen = []
    with pytest.raises(StopIteration) as end:
        while True:
            seen.append(next(events))
    assert [event.done for event in seen] == [1, 2, 3]
    assert end.value.value == "ready"


def test_an_error_is_raised_where_the_events_are_read() -> None:
    def work(report: Report) -> None:
        report("reading", 1, 2)
        raise DatasetError("two files are broken")

    with pytest.raises(DatasetError, match="two files"):
        list(reported(work))


def test_closing_cancels_even_when_the_work_reports_a_lot() -> None:
    ends: list[BaseException] = []

    def work(report: Report) -> None:
        try:
            for done in range(100_000):
                report("reading", done, 100_000)
        except Cancelled as error:
            ends.append(error)
            raise

    events = reported(work)
    next(events)
    events.close()
    assert len(ends) == 1
