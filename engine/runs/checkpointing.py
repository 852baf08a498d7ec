"""Checkpointing: writes the checkpoint of a run as often as that is cheap, and whenever training is left in good order;
and the weights that stay.

Not here: what a checkpoint holds (training.checkpoints).
"""

import time

from engine import record_files
from engine.events import Epoch, Step
from engine.runs.session import Session
from engine.training.checkpoints import save_checkpoint, save_weights

CHECKPOINT_SECONDS = 60
SHARE = 100
"""Saving after an epoch may take one part in so many of the time: an epoch of a linear probe is shorter than that."""
_FIRST_COST_SECONDS = 0.02
"""Taken for the cost of saving until it has been measured: what two seconds made is sooner made again."""


class Saver:
    """Told of every event; `close` it when training stops before its end."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._saved, self._cost = time.monotonic(), _FIRST_COST_SECONDS
        self._pending = False

    def after(self, event: Step | Epoch) -> None:
        """Save after an epoch when that is cheap, and at least every minute."""
        since, ended = time.monotonic() - self._saved, isinstance(event, Epoch)
        if since > CHECKPOINT_SECONDS or (ended and since >= SHARE * self._cost):
            self._save()
        else:
            self._pending = self._pending or ended

    def close(self) -> None:
        """Save the epochs that were not worth it one by one. Not after a fault, from which nothing can go on."""
        if self._pending:
            self._save()

    def _save(self) -> None:
        began = time.monotonic()
        save_checkpoint(self._session.training, self._session.checkpoint, base=self._session.base)
        self._saved, self._pending = time.monotonic(), False
        self._cost = self._saved - began


def write_weights(session: Session) -> None:
    """best.safetensors: the model as it stands."""
    metadata = {"backbone": session.config.backbone, "classes": record_files.encode(session.dataset.classes)}
    save_weights(session.training.chain.model.state_dict(), session.folder / "best.safetensors", metadata=metadata)
