"""Every option of RunConfig gets a widget with its own default, bounds and help; nothing is said twice."""

import pytest
from streamlit.testing.v1 import AppTest

from engine.config import options
from engine.runconfig import RunConfig
from engine.training.freezing import validate
from pages.ui import forms, text


def form() -> None:
    import streamlit as st

    from pages.ui import forms

    st.session_state["values"] = forms.basic() | forms.folded({"device": ("auto", "cpu", "cuda:0")})
    st.button("Reset", on_click=forms.reset)


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_function(form).run()


def test_untouched_form_is_the_default_configuration(page: AppTest):
    values = page.session_state["values"]
    assert set(values) == {option.name for option in options()} - forms.ELSEWHERE
    assert forms.changed(values) == 0
    validate(RunConfig(dataset="d", backbone="b", **values))


def test_numbers_carry_the_bounds_and_the_help_of_their_option(page: AppTest):
    option = next(option for option in options() if option.name == "epochs")
    field = page.number_input(key=forms.key_of("epochs"))
    assert (field.label, field.help) == (option.label, text.md(option.help))
    assert (field.min, field.max) == (option.low, option.high)


def test_what_is_typed_arrives_with_its_type_until_it_is_emptied_or_reset(page: AppTest):
    page.number_input(key=forms.key_of("lr")).set_value(3e-4)
    page.number_input(key=forms.key_of("epochs")).set_value(7)
    page.selectbox(key=forms.key_of("device")).set_value("cuda:0")
    values = page.run().session_state["values"]
    assert (values["lr"], values["epochs"], values["device"]) == (3e-4, 7, "cuda:0")
    assert forms.changed(values) == 3
    page.number_input(key=forms.key_of("lr")).set_value(None).run()
    assert page.session_state["values"]["lr"] == 0.0, "an empty field takes the default"
    page.button[0].click().run()
    assert forms.changed(page.session_state["values"]) == 0, "reset brings every default back"


def test_a_new_option_needs_no_line_in_the_form():
    def alone() -> None:
        import streamlit as st

        from engine.options import Option
        from pages.ui import forms

        new = Option(name="new", kind=float, default=0.2, help="Why.", section="control", label="New", low=0, high=1)
        st.session_state["value"] = forms.widget(new)

    page = AppTest.from_function(alone).run()
    assert page.session_state["value"] == 0.2
