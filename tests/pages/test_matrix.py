"""Matrix: numbers in its cells can be read."""

import pytest

from pages.ui.figures import contrast, palette


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_in_cells_can_be_read_in_both_themes(theme: str) -> None:
    surface, accent = palette.surface(theme), palette.categorical(theme)[0]
    assert contrast.on(surface, accent, 0.0, theme=theme) == palette.ink(theme)
    assert contrast.on(surface, accent, 1.0, theme=theme) == palette.page(theme)
    on_dark, on_light = (contrast.on("#000000", "#ffffff", share, theme=theme) for share in (0.2, 0.8))
    assert on_dark > on_light  # as #rrggbb: pale on dark, dark on pale
