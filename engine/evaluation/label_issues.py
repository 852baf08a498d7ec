"""Label issues: images whose label looks wrong, by the out-of-fold answers of a small classifier on features
(confident learning).

The counting of Northcutt et al. (2021): a class is believed of an image from the mean confidence that its own images
get. Not here: features, and what to do about it; that is for people.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

LEAST = 20
"""Images in every class; with fewer a class is not known well enough to doubt its labels."""
FOLDS = 5
_SURE = 0.8
"""No class needs more than this to be believed: where all are sure, half of the images lie below the mean of their
class."""
_LIKELY = 0.5
"""Every class needs as much: what is less likely than not is no reason to doubt a label."""
_MOST = 0.2
_STRENGTH = 0.1
"""Inverse of the regularisation, for features of unit variance on average. All are scaled by one number: giving each
principal component a variance of its own would make much of directions that say little."""


@dataclass(frozen=True, kw_only=True)
class LabelIssue:
    """An image (its place), the class that is rather believed, and the probabilities of that and of the given one."""

    place: int
    suggested: int
    confidence: float
    given: float

    @property
    def margin(self) -> float:
        """How much more the suggested class is believed than the given one."""
        return self.confidence - self.given


def too_few_images(labels: np.ndarray, classes: Sequence[str]) -> str:
    """Why labels [images] cannot be doubted, as a sentence; empty when they can."""
    counts = np.bincount(labels, minlength=len(classes))
    small = [f"{name} ({count})" for name, count in zip(classes, counts, strict=True) if count < LEAST]
    if not small:
        return ""
    named = ", ".join(small[:4]) + (" and others" if len(small) > 4 else "")
    return f"Labels are checked when every class has at least {LEAST} images; too few have {named}. Add images of them."


def too_many_issues(found: int, images: int) -> str:
    """Why so many suspects say nothing of the labels, as a sentence; empty when they are few enough."""
    if found <= _MOST * images:
        return ""
    return (
        f"This model's features suggest another class for {found:,} of {images:,} images: that says more of the "
        "features than of the labels. Choose a run whose model tells the classes apart better."
    )


def out_of_fold_probabilities(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Probabilities [images, classes] of a logistic regression that has not seen the image; features [images, d],
    labels 0 to classes - 1.

    The same for the same input. Every class needs at least as many images as there are folds.
    """
    made = np.zeros((len(labels), int(labels.max()) + 1))
    scaled = features / max(float(np.sqrt(features.var(axis=0).mean())), 1e-12)
    for seen, unseen in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(scaled, labels):
        probe = LogisticRegression(C=_STRENGTH, max_iter=200, tol=1e-3).fit(scaled[seen], labels[seen])
        made[unseen] = probe.predict_proba(scaled[unseen])
    return made


def find_label_issues(probabilities: np.ndarray, labels: np.ndarray) -> tuple[LabelIssue, ...]:
    """Images that are confidently another class, the widest margin first; `probabilities` [images, classes] must be out
    of sample."""
    rows = np.arange(len(labels))
    given = probabilities[rows, labels]
    usual = np.clip([given[labels == label].mean() for label in range(probabilities.shape[1])], _LIKELY, _SURE)
    believed = np.where(probabilities >= usual, probabilities, -1.0)
    best = believed.argmax(axis=1)
    doubtful = rows[(best != labels) & (believed[rows, best] > given)]
    sure = probabilities[rows, best].tolist()
    found = [
        LabelIssue(place=row, suggested=int(best[row]), confidence=sure[row], given=float(given[row]))
        for row in doubtful.tolist()
    ]
    return tuple(sorted(found, key=lambda issue: (-issue.margin, issue.place)))
