"""Errors a person can mend: every message names the thing and the remedy; pages and the command line show str(error)
and nothing else. Anything else that escapes is a defect of ours.
"""

import shutil
from pathlib import Path

DEFECT = "Thaw hit a defect"
"""How a sentence begins about what nobody but us can mend."""


class EngineError(Exception):
    """Base of everything a person can mend."""


class ConfigError(EngineError):
    """An option is out of bounds, or two options contradict each other."""


class DatasetError(EngineError):
    """An archive, a folder or a class layout that cannot become a dataset."""


class ImageError(DatasetError):
    """One file that cannot be decoded; an import goes on without it."""


class BackboneError(EngineError):
    """A model that cannot be built or cut into blocks."""


class WeightsError(BackboneError):
    """Weights that are missing, damaged or do not fit."""


class DeviceError(EngineError):
    """The device that was asked for is not there, or has no memory left."""


class TrainingError(EngineError):
    """Training cannot go on (loss not finite, disk full)."""


class DivergedError(TrainingError):
    """The loss left for good, which a lower learning rate would mend."""


class RunError(EngineError):
    """No such run or job, or it is in the wrong state for what was asked."""


def disk_error(what: str, folder: Path, error: OSError) -> DatasetError:
    """Says that `what` stopped because `folder` could not be written to, and how much room is left there."""
    free = shutil.disk_usage(folder).free >> 20
    return DatasetError(
        f"{what} stopped ({error.strerror}): {free} MB are free on the disk of the workspace. Make room and try again."
    )
