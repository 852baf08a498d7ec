"""Bench: measures Thaw against a classic loop, fastai, scikit-learn and the bare computation: how fast, and how right.

Above all other wings; nothing imports it but the command line.
"""
