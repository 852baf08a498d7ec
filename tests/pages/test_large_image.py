"""The buttons of a dialog that go from image to image: they end where the images do."""

import pytest
from streamlit.testing.v1 import AppTest


def dialog(position: int) -> AppTest:
    def script(position: int) -> None:
        import streamlit as st

        from pages.ui.widgets.large_image import position_among, previous_next

        st.session_state.setdefault("place", position)
        previous_next(position_among(3, key="place"), 3, key="place")

    return AppTest.from_function(script, kwargs={"position": position}).run()


@pytest.mark.parametrize(("position", "shown"), [(-3, 1), (0, 1), (1, 2), (2, 3), (999, 3)])
def test_a_step_goes_to_the_place_beside_the_one_shown_and_never_past_an_end(position: int, shown: int) -> None:
    """Positions past an end come from clicks that overtake the page."""
    for label, to in (("previous", shown - 1), ("next", shown + 1)):
        page = dialog(position)
        assert [caption.value for caption in page.caption] == [f"{shown} of 3"]
        button = page.button(key=f"place_{label}")
        assert button.disabled == (to not in (1, 2, 3))
        if not button.disabled:
            assert button.click().run().caption[0].value == f"{to} of 3"
