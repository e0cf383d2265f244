"""Which pages an app still understands: those whose events, components and scripts are its own."""

import gradio as gr
import pytest

from kling_ui.ui.page_version import page_version, with_version

LOOK = {"css": "a { }", "head": "<script></script>"}

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def page_with(*names: str) -> gr.Blocks:
    with gr.Blocks() as page:
        fields = [gr.Textbox(render=True) for _ in names]
        for name, field in zip(names, fields, strict=True):
            field.change(lambda: "", None, [field], api_name=name)
    return page


def test_a_page_is_of_another_version_where_an_event_or_a_script_is_another():
    page = page_with("a")
    version = page_version(page, LOOK)
    assert version == page_version(page, LOOK)
    assert version != page_version(page_with("a", "b"), LOOK)
    assert version != page_version(page, {**LOOK, "head": "<script>1</script>"})
    assert f'content="{version}"' in with_version(LOOK, version)["head"]
