import threading

import pytest

from engine.data.pool import ordered


def test_results_keep_their_order() -> None:
    assert list(ordered(lambda number: number * 2, range(100), workers=4)) == [number * 2 for number in range(100)]


def test_only_a_few_items_are_taken_ahead_of_the_consumer() -> None:
    taken: list[int] = []

    def items() -> object:
        for number in range(1000):
            taken.append(number)
            yield number

    results = ordered(lambda number: number, items(), workers=2)
    next(results)
    assert len(taken) <= 5
    results.close()
    assert len(taken) <= 5


def test_an_error_arrives_and_the_threads_end() -> None:
    def fail(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    before = threading.active_count()
    with pytest.raises(ValueError, match="three"):
        list(ordered(fail, range(100), workers=3))
    assert threading.active_count() == before
