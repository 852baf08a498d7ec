"""Near duplicates: images of different splits that look almost the same, in pairs, and what they do to the accuracy.

Not here: finding them (engine).
"""

import streamlit as st

from engine.data.dataset_records import SPLIT_NAMES, Dataset
from engine.evaluation.similarity import MOST_BITS
from engine.jobs.embedding_files import Embedded, Facts, NearDuplicate
from engine.store.run_record import Run
from pages.ui import addresses, text
from pages.ui.widgets.gallery import page_of
from pages.ui.widgets.picture_groups import Picture, PictureGroup, picture_groups

PAGE_SIZE = 12


def near_duplicates(run: Run, embedding: Embedded, dataset: Dataset) -> None:
    facts = embedding.facts
    st.subheader("Almost the same in two splits", anchor=False)
    if not facts.twins:
        st.success("No image looks almost like one of another split.", icon=":material/check:")
        return
    st.markdown(f"**{text.count(facts.twins_found, 'pair')}** found. {effect_on_accuracy(facts)}")
    here = page_of(len(facts.twins), PAGE_SIZE, key=f"twins_page_{run.id}")
    pairs = [_group(pair, dataset) for pair in facts.twins[here]]
    picture_groups(pairs, label="Pairs of similar images", key=f"twins_{run.id}")
    more = f" The {len(facts.twins):,} closest are shown." if facts.twins_found > len(facts.twins) else ""
    st.caption(
        f"A pair differs in at most {MOST_BITS} of the 64 bits of a difference hash, and its features are as alike as "
        f"those of almost all images here and their mirror images (cosine {facts.least_cosine:.2f} or more).{more}"
    )


def effect_on_accuracy(facts: Facts) -> str:
    """The accuracy on the test images with and without those that have a twin elsewhere."""
    (right, images), (right_alone, alone) = facts.accuracy, facts.accuracy_without
    if not images:
        return "There are no test images whose accuracy they could change."
    if alone == images:
        return "None of them is a test image, so the test accuracy stands."
    twins, accuracy = text.count(images - alone, "twin"), text.percent(right / images)
    with_them = f"With its {twins}, the test accuracy is **{accuracy}**; without"
    if not alone:
        return f"{with_them} them no test image is left, so it says nothing of new images."
    accuracy, rest = text.percent(right_alone / alone), text.count(alone, "image")
    return f"{with_them}, it is **{accuracy}** of {rest}, the more honest number."


def _group(pair: NearDuplicate, dataset: Dataset) -> PictureGroup:
    both = [dataset.images[index] for index in (pair.first, pair.second)]
    names = [text.short(dataset.classes[image.label], 24) for image in both]
    title = names[0] if names[0] == names[1] else f"{names[0]} and {names[1]}: different labels"
    pictures = tuple(
        Picture(
            src=addresses.thumbnail(dataset.id, image.index),
            alt=f"{image.name}, a {SPLIT_NAMES[image.split]} image of {name}",
            note=f"{SPLIT_NAMES[image.split]}: {text.short(image.name, 32)}",
        )
        for image, name in zip(both, names, strict=True)
    )
    return PictureGroup(title=title, figures=pictures, words=f"{pair.bits} of 64 bits differ, cosine {pair.cosine:.2f}")
