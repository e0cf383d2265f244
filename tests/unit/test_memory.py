"""What heavy pictures leave behind in the process: nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

MEGABYTE = 1024
_SCRIPT = """
import sys, threading
from io import BytesIO
from PIL import Image
from kling_ui import startup
from kling_ui.catalog.media_input.kinds import PictureLimits
from kling_ui.catalog.media_input.pictures import picture_from_bytes

def kilobytes():
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return [int(lines[name].split()[0]) for name in ("VmRSS", "VmHWM")]

if not startup.return_freed_memory():
    sys.exit("no glibc")
stream = BytesIO()
Image.new("RGBA", (6000, 6000), (1, 2, 3, 4)).save(stream, "PNG", compress_level=1)
data, before = stream.getvalue(), kilobytes()
workers = [
    threading.Thread(target=picture_from_bytes, args=(data, PictureLimits())) for _ in range(4)
]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(*(after - each for after, each in zip(kilobytes(), before)))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells it in /proc")
def test_four_heavy_pictures_at_once_leave_nothing_and_need_room_for_one():
    """One of them is 144 MB decoded; each thread of glibc would keep some of what it freed."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if "no glibc" in done.stderr:
        pytest.skip("another C library")
    assert done.returncode == 0, done.stderr
    left, peak = map(int, done.stdout.split())
    assert left < 60 * MEGABYTE
    assert peak < 450 * MEGABYTE
