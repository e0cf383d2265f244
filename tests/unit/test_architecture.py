"""Who may import whom, and that importing does nothing."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from harness import every

ROOT = Path(__file__).resolve().parents[2]
PARTS = {
    *("settings", "startup", "catalog", "client", "ledger", "media", "service", "simulator", "ui"),
}
MAY_IMPORT = {
    "settings": set(),
    "startup": {"settings"},
    "catalog": {"media"},
    "media": set(),
    "client": set(),
    "ledger": set(),
    "service": {"catalog", "client", "ledger", "media"},
    "simulator": {"catalog", "media"},
    "ui": {"service", "catalog"},
}
"""The arrows between the parts; app.py alone may import them all."""

ONLY_IN = {
    "httpx": {"client"},
    "gradio": {"ui", "app"},
    "sqlalchemy": {"ledger"},
    "dotenv": {"settings"},
    "filelock": {"startup"},
    "starlette": {"simulator", "ui", "app"},
    "uvicorn": {"simulator"},
}
"""Which part alone knows a library."""


def sources():
    """Return every module of ours with the part it belongs to."""
    found = [(path, part_of(path)) for path in sorted((ROOT / "kling_ui").rglob("*.py"))]
    return [*found, (ROOT / "app.py", "app")]


def part_of(path):
    first = path.relative_to(ROOT / "kling_ui").parts[0]
    return first.removesuffix(".py")


def imports(path):
    """Return the dotted names that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


every_module = every(sources())


def test_every_part_stands_in_the_table():
    assert {part for _, part in sources()} - {"__init__", "app"} == PARTS == set(MAY_IMPORT)


def test_no_two_modules_bear_one_name():
    names = [path.name for path, _ in sources() if not path.name.startswith("__")]
    assert sorted(names) == sorted(set(names))


@every_module
def test_arrows_between_the_parts_point_one_way(path, part):
    used = {name.split(".")[1] for name in imports(path) if name.startswith("kling_ui.")}
    if part == "app":
        assert used <= PARTS
        return
    assert used - {part} <= MAY_IMPORT.get(part, set())


@every_module
def test_a_library_is_known_where_it_belongs(path, part):
    used = {name.split(".")[0] for name in imports(path)}
    assert {library for library in used & set(ONLY_IN) if part not in ONLY_IN[library]} == set()


@every_module
def test_only_the_settings_and_the_entry_point_know_the_environment(path, part):
    tree = ast.parse(path.read_text("utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {name.rpartition(".")[2] for name in imports(path)}
    assert part == "app" or not names & {"environ", "getenv"}


WATCH = """
import importlib, json, os, sys, threading
import av, dotenv, gradio, gradio.context, httpx, numpy, PIL.Image, sqlalchemy, starlette, uvicorn
import gradio.themes.utils, uvicorn.protocols.http.h11_impl

effects = []

def note(event, arguments):
    is_write = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    is_read = event == "open" and str(arguments[0]).endswith(".env")
    is_effect = event.startswith(("socket.", "subprocess.", "sqlite3.")) or event in {
        "os.mkdir", "os.putenv", "os.unsetenv", "os.remove", "os.rename",
    }
    if is_write or is_read or is_effect:
        effects.append(f"{event} {arguments}")

before = dict(os.environ), threading.enumerate(), gradio.context.Context.id
sys.addaudithook(note)
for name in sys.argv[1:]:
    importlib.import_module(name)
after = dict(os.environ), threading.enumerate(), gradio.context.Context.id
print(json.dumps({
    "effects": effects,
    "environment": before[0] == after[0],
    "threads": [thread.name for thread in after[1] if thread not in before[1]],
    "components": after[2] - before[2],
    "files": os.listdir(),
}))
"""


def test_importing_has_no_effect(tmp_path):
    names = []
    for path, part in sources():
        if path.name != "__main__.py" and part != "app":
            dotted = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
            names.append(dotted.removesuffix(".__init__"))
    command = [sys.executable, "-B", "-c", WATCH, *names, "app", "kling_ui.simulator.__main__"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        command, cwd=tmp_path / "empty", env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "effects": [],
        "environment": True,
        "threads": [],
        "components": 0,
        "files": [],
    }
