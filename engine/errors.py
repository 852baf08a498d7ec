"""Errors a person can mend: every message names the thing and the remedy.

EngineError                 pages and the command line show str(error) and nothing else
├── ConfigError             an option is out of bounds, or two options contradict each other
├── DatasetError            an archive, a folder or a class layout that cannot become a dataset
│   └── ImageError          one file that cannot be decoded; the import goes on without it
├── BackboneError           a model that cannot be built or cut into blocks
│   └── WeightsError        weights that are missing, damaged or do not fit
├── DeviceError             the device that was asked for is not there, or has no memory left
├── TrainingError           training cannot go on (loss not finite, disk full)
└── RunError                no such run or job, or it is in the wrong state for this
Anything else that escapes is a defect of ours.
"""


class EngineError(Exception):
    """Base of everything a person can mend; str(error) is the whole message."""


class ConfigError(EngineError):
    """An option is out of bounds, or two options contradict each other."""


class DatasetError(EngineError):
    """An archive, a folder or a class layout that cannot become a dataset."""


class ImageError(DatasetError):
    """One file that cannot be decoded."""


class BackboneError(EngineError):
    """A model that cannot be built or cut into blocks."""


class WeightsError(BackboneError):
    """Weights that are missing, damaged or do not fit."""


class DeviceError(EngineError):
    """The device that was asked for is not there, or has no memory left."""


class TrainingError(EngineError):
    """Training cannot go on."""


class RunError(EngineError):
    """No such run or job, or it is in the wrong state for what was asked."""
