"""Margin: the loss of accuracy that does not matter. By itself, so that who names it need not load scipy."""

MARGIN_POINTS = 2.0
"""A smaller difference than this does not matter; a person may choose another."""
MARGINS = (0.1, 50.0)
"""The least and the most that a person may choose."""
