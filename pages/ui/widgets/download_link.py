"""Download link: a link, dressed as a button, to a file that a route streams; the server never holds the file in
memory."""

import streamlit as st

_component = st.components.v2.component(
    "thaw_download",
    html="<a download></a>\n",
    css="""
a { display: block; box-sizing: border-box; text-align: center; padding: 0.5rem 1rem; min-height: 2.5rem; font-family:
var(--st-font);
  font-size: 0.875rem; line-height: 1.45;
  color: var(--st-text-color); border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius);
  text-decoration: none; }
a:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
a:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
""",
    js="""
export default function ({ data, parentElement }) {
  const link = parentElement.querySelector("a")
  link.href = data.href
  link.textContent = data.label
}
""",
)


def download(label: str, href: str, *, key: str) -> None:
    _component(key=key, data={"label": label, "href": href})
