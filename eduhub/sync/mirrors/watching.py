"""Node: whether a mirror still gives enough to be waited for: a pure judgement over bytes and seconds.

Who gives one byte every few seconds is never silent, and would hold a round for ever. This module must not know clocks.
"""

from dataclasses import dataclass

# A neighbour on a network of its own gives thousands of times as much; a county mirror may stand behind a satellite.
NEAR = 16 << 10, 15.0
FAR = 2 << 10, 60.0


@dataclass
class Watch:
    """At least so many bytes a second, over each span of so many seconds."""

    bytes_s: int
    span_s: float
    began_s: float
    came: int = 0

    def is_slow(self, now_s: float, count: int) -> bool:
        """Take note of bytes (none: time passed); whether a span has ended in which too few came."""
        self.came += count
        if now_s - self.began_s < self.span_s:
            return False
        was_enough = self.came >= self.bytes_s * (now_s - self.began_s)
        self.began_s, self.came = now_s, 0
        return not was_enough
