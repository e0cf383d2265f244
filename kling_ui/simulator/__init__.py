"""The provider on loopback: AI/ML API's Kling part over real HTTP, with real MP4 files.

It answers as the provider does in 2026, and shares no code with the client, or it would share
its mistakes. A generation costs nothing and takes `seconds`; what is drawn says SIMULATED and
shows what was handed in: pictures move, videos are restyled, voices are heard. What lies at an
address is never fetched; a card stands for it. A prompt may hold
`[fail]` (fails like a content-policy violation, not charged),
`[slow]` (takes five times as long) or
`[refuse]` (the POST is refused with a 400 naming the prompt).
"""

from kling_ui.simulator.faults import Fault, RecordedRequest
from kling_ui.simulator.server import Simulator

__all__ = ["Fault", "RecordedRequest", "Simulator"]
