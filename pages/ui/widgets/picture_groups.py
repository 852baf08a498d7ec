"""Picture groups: small pictures in pairs under a title, each with a line below.

Not here: which pictures, and what they mean. Names travel as data only.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import streamlit as st

_component = st.components.v2.component(
    "thaw_figures",
    html='<div role="list"></div>',
    css="""
div[role=list] { display: grid; gap: 1.1rem 1.4rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17.5rem),
24rem));
  font-family: var(--st-font); color: var(--st-text-color); }
section { display: grid; gap: 0.4rem 0.7rem; grid-template-columns: 1fr 1fr; grid-template-rows: auto 1fr; min-width:
0; }
h4 { grid-column: 1 / -1; margin: 0; font-size: 0.9rem; line-height: 1.3; font-weight: 600; white-space: nowrap;
overflow: hidden;
  text-overflow: ellipsis; }
figure { margin: 0; display: flex; flex-direction: column; gap: 0.25rem; min-width: 0; }
img { width: 100%; aspect-ratio: 1; object-fit: contain; display: block; border-radius: var(--st-base-radius);
  background: var(--st-secondary-background-color); }
figcaption, p { margin: 0; font-size: 0.8rem; line-height: 1.4; opacity: 0.8; }
""",
    js="""
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector("div[role=list]")
  const drawn = JSON.stringify(data)
  if (root.dataset.drawn === drawn) return
  root.dataset.drawn = drawn
  root.setAttribute("aria-label", data.label)
  const node = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties)
    made.append(...children)
    return made
  }
  const figure = ({ src, alt, note }) =>
    node("figure", {}, node("img", { alt, src }), node("figcaption", { textContent: note }))
  root.replaceChildren(...data.groups.map(({ title, figures, words }) => {
    const below = words ? [node("p", { textContent: words })] : []
    return node("section", { role: "listitem" }, node("h4", { textContent: title }), ...figures.map(figure), ...below)
  }))
}
""",
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture with a line below; `alt` is what a screen reader says."""

    src: str
    alt: str
    note: str


@dataclass(frozen=True, kw_only=True)
class PictureGroup:
    """Two pictures, or one and what is said beside it."""

    title: str
    figures: tuple[Picture, ...]
    words: str = ""


def picture_groups(groups: Sequence[PictureGroup], *, label: str, key: str) -> None:
    _component(key=key, data={"groups": [asdict(group) for group in groups], "label": label})
