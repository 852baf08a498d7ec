"""Router: the frame around every page; title, navigation and the device that trains. Decoration only: each page also runs alone."""

import streamlit as st

from pages.ui import status
from pages.ui.resources import run_store

# Before st.navigation: afterwards the page icon would be fetched from a foreign host.
st.set_page_config(page_title="Thaw", page_icon="🧊", layout="wide")

page = st.navigation(
    [
        st.Page("dataset.py", title="Dataset", icon=":material/photo_library:", default=True),
        st.Page("configure.py", title="Configure", icon=":material/tune:"),
        st.Page("monitor.py", title="Monitor", icon=":material/monitoring:"),
        st.Page("compare.py", title="Compare", icon=":material/balance:"),
        st.Page("predictions.py", title="Predictions", icon=":material/grid_view:"),
    ],
    position="top",
)
status.device_line(run_store().devices())
page.run()
