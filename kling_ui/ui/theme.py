"""How the page looks: the theme, and the style and script files beside this module."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes.utils import colors, sizes

_HERE = Path(__file__).parent / "assets"
_STYLES = ("page.css", "brush.css", "create.css", "settings.css", "history.css")
_ROOT_STYLES = ("frame.css", "result.css", "present.css", "compare.css", "set.css", "set_plan.css")
_SCRIPTS = (
    "proxy_name.js",
    "page.js",
    "recipe_drop.js",
    "uploads.js",
    "create.js",
    "result.js",
    "compare_clock.js",
    "compare.js",
    "set.js",
    "set_plan.js",
    "present.js",
    "settings.js",
    "history.js",
)
# Gradio rewrites the rules of `css` and loses those for the root: these go into the head.
_ROOT = (
    "html { scroll-padding-bottom: 112px; }"
    "@media (max-width: 767px) { html:root { --k-gutter: 16px; --k-segment-padding: 6px 4px;"
    " --k-places: 56px; scroll-padding-bottom: 168px; } }"
)
_SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
_COLORS = {
    "body_background_fill": ("#faf9f7", "#121110"),
    "body_text_color": ("#1c1917", "#f5f5f4"),
    "body_text_color_subdued": ("#57534e", "#b5aea8"),
    "background_fill_primary": ("#ffffff", "#1c1a18"),
    "background_fill_secondary": ("#f3f1ee", "#161513"),
    "block_background_fill": ("#ffffff", "#1c1a18"),
    "block_border_color": ("#e7e5e1", "#34302d"),
    "border_color_primary": ("#e7e5e1", "#34302d"),
    "block_label_background_fill": ("#ffffff", "#1c1a18"),
    "block_title_text_color": ("#57534e", "#d6d3d1"),
    "block_info_text_color": ("#6b6560", "#b5aea8"),
    "input_background_fill": ("#ffffff", "#161513"),
    "input_border_color": ("#e7e5e1", "#34302d"),
    "input_border_color_focus": ("#c2410c", "#fb923c"),
    "input_placeholder_color": ("#78716c", "#a09892"),
    "button_primary_background_fill": ("#1c1917", "#faf9f7"),
    "button_primary_background_fill_hover": ("#3a3531", "#e0ddd9"),
    "button_primary_text_color": ("#ffffff", "#1c1917"),
    "button_primary_border_color": ("#1c1917", "#faf9f7"),
    "button_secondary_background_fill_hover": ("#f3f1ee", "#292522"),
    "button_secondary_border_color": ("#d6d3cf", "#48433f"),
    "slider_color": ("#ea580c", "#f97316"),
}
"""What is colored: in light, in dark."""

_ALIKE = {
    "block_shadow": "none",
    "input_border_width": "1px",
    "button_secondary_background_fill": "transparent",
}
"""What looks the same in both."""


def theme() -> dict[str, Any]:
    """Return what `Blocks.launch` takes to style the page."""
    root = f"{_ROOT}\n{_joined(_ROOT_STYLES)}"
    return {
        "theme": _theme(),
        "css": _joined(_STYLES),
        "head": f"<style>{root}</style><script>{_joined(_SCRIPTS)}</script>",
        "favicon_path": _HERE / "favicon.svg",
    }


def _joined(names: Iterable[str]) -> str:
    return "\n".join((_HERE / name).read_text("utf-8") for name in names)


def _theme() -> gr.themes.Base:
    # System fonts: nothing is fetched from elsewhere, and nothing jumps when a font arrives.
    theme = gr.themes.Base(
        primary_hue=colors.orange,
        neutral_hue=colors.stone,
        radius_size=sizes.radius_lg,
        font=_SANS,
        font_mono=_MONO,
    )
    light = {name: color for name, (color, _) in _COLORS.items()} | _ALIKE
    dark = {name: color for name, (_, color) in _COLORS.items()} | _ALIKE
    return theme.set(
        **light,
        **{f"{name}_dark": color for name, color in dark.items()},
        block_title_text_weight="600",
        block_title_text_size="13px",
        block_radius="12px",
        block_padding="14px 16px",
        input_shadow="none",
        input_shadow_focus="none",
    )
