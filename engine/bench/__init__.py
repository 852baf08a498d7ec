"""Bench: measures Thaw against a classic loop, fastai and the bare computation, as ratios within one run.

Above all other wings; nothing imports it but the command line.
"""
