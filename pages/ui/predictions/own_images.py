"""Own images: how good a run is on the validation and test images of its dataset, and these images one by one.

Not here: images that the run has not seen.
"""

import streamlit as st

from engine.evaluation.predictions import classes_of
from engine.store.run_record import Run
from pages.ui import text
from pages.ui.predictions.filters import SPLITS, confusion_chart, filters
from pages.ui.predictions.image_gallery import ImageSource, thumbnails
from pages.ui.predictions.predicted_images import ordered, run_table, select
from pages.ui.predictions.scores import MATRIX_CLASSES, accuracy_summary, class_table, frequent_mistakes, split_scores
from pages.ui.resources import workspace


def own_images(run: Run) -> None:
    table = run_table(run.id)
    classes = classes_of(table)
    _scores(run, classes)
    st.subheader("Image by image", anchor=False)
    selection, order = filters(table, classes, key=run.id)
    shown = ordered(select(table, selection), order)
    st.caption(f"{text.count(len(shown), 'image')} of {len(table):,}")
    thumbnails(shown, ImageSource(run=run.id, dataset=run.config.dataset), key=run.id)


def _scores(run: Run, classes: tuple[str, ...]) -> None:
    scores = split_scores(workspace().run(run.id))
    present = [split for split in ("test", "val") if split in scores]
    if not present:
        st.info("This run's dataset has no validation and no test images, so nothing can be scored.")
        return
    split = st.segmented_control(
        "Scores on", present, format_func=SPLITS.__getitem__, default=present[0], key=f"{run.id}_scored", required=True
    )
    accuracy_summary(scores[split], split)
    left, right = st.columns(2, gap="large")
    with left:
        if len(classes) <= MATRIX_CLASSES:
            confusion_chart(scores[split], split, classes, key=run.id)
        else:
            st.markdown("**Most frequent mistakes**")
            st.dataframe(frequent_mistakes(scores[split], classes), hide_index=True)
    with right:
        st.markdown("**Per class**, the weakest first")
        class_table(scores[split])
