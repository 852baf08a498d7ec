"""The arrows of the dialog with two strategies: pressed faster than the page is drawn, they stay among its images."""

from collections.abc import Callable

import pytest

from pages.ui.compare import two_answers


class Column:
    """Keeps what a click on its button does."""

    def button(self, label: str, *, on_click: Callable[..., None], args: tuple[int], **_: object) -> None:
        self.press = lambda: on_click(*args)

    def caption(self, *_: object, **__: object) -> None: ...


@pytest.mark.parametrize(("position", "back", "on"), [(0, 0, 1), (1, 0, 2), (2, 1, 2)])
def test_the_arrows_end_where_the_images_do(monkeypatch: pytest.MonkeyPatch, position: int, back: int, on: int) -> None:
    state, columns = {"twofold": position}, [Column(), Column(), Column()]
    monkeypatch.setattr(two_answers.st, "session_state", state)
    monkeypatch.setattr(two_answers.st, "columns", lambda *_, **__: columns)
    two_answers._steps(position, 3)
    for column, place in ((columns[0], back), (columns[2], on)):
        state["twofold"] = position
        for _ in range(2):  # the second before anything is drawn anew
            column.press()
        assert state["twofold"] == place
