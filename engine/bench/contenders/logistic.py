"""Logistic regression of scikit-learn on the features in front of the last layer, as its documentation shows it:
standardised, the penalty by 5-fold cross-validation among the training images, images read as the classic loop does.
"""

import time
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.utils.data import DataLoader

from engine.bench.contenders.assignment import Assignment, Result
from engine.bench.contenders.classic import classic_model, loader
from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.bench.contenders.contend import Watch

INVERSE_PENALTIES = tuple(10.0**power for power in range(-5, 2))
FOLDS = 5


def fit_logistic(given: Assignment, watch: "Watch | None" = None) -> Result:
    """From reading the first file to the fit; validation images play no part in it."""
    started, model = time.perf_counter(), classic_model(given).to(given.device)
    features, targets = features_of(model, loader(given, "train"))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        {"logisticregression__C": INVERSE_PENALTIES},
        cv=min(FOLDS, int(np.bincount(targets).min())),
        scoring="neg_log_loss",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at penalties that lose
        search.fit(features, targets)
    seconds = time.perf_counter() - started

    def answer() -> Tensor:
        return torch.from_numpy(search.predict_proba(features_of(model, loader(given, "test"))[0]))

    if watch:
        watch.epoch(answer)
        watch.end(answer)
    features, targets = features_of(model, loader(given, "val"))
    return Result(seconds=seconds, accuracy=float((search.predict(features) == targets).mean()))


@torch.no_grad()
def features_of(model: nn.Module, batches: DataLoader) -> tuple[np.ndarray, np.ndarray]:
    """(what the last linear layer gets [images, features], labels [images])."""
    head = [module for module in model.modules() if isinstance(module, nn.Linear)][-1:]
    if not head:
        raise EngineError(
            "scikit-learn is measured on models whose last layer is linear. Leave it out: --without sklearn."
        )
    seen: list[Tensor] = []
    hook = head[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].cpu()))
    place, targets = next(model.parameters()).device, []
    model.eval()
    for images, labels in batches:
        model(images.to(place))
        targets.append(labels)
    hook.remove()
    return torch.cat(seen).double().numpy(), torch.cat(targets).numpy()
