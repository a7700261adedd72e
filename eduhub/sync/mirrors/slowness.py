"""Node: whether a mirror still gives enough to be waited for: a pure judgement over bytes and seconds.

Who gives one byte every few seconds is never silent, and would hold a round for ever. This module must not know clocks.
"""

from dataclasses import dataclass

# A neighbour on a network of its own gives thousands of times as much; a county mirror may stand behind a satellite.
NEAR = 16 << 10, 15.0
FAR = 2 << 10, 60.0


@dataclass
class Slowness:
    """At least so many bytes a second, over each span of so many seconds."""

    bytes_s: int
    span_s: float
    began_s: float
    came: int = 0
    asked: float | None = None  # bytes a second: the lowest ceiling in this span

    def is_slow(self, now_s: float, count: int, ceiling_bytes_s: float | None = None) -> bool:
        """Take note of bytes (none: time passed); whether a span has ended in which too few came.

        Under a ceiling half of it is enough, where that is less: it is we who read no faster.
        """
        self.came += count
        if ceiling_bytes_s is not None:
            self.asked = ceiling_bytes_s if self.asked is None else min(self.asked, ceiling_bytes_s)
        if now_s - self.began_s < self.span_s:
            return False
        least = self.bytes_s if self.asked is None else min(self.bytes_s, self.asked / 2)
        was_enough = self.came >= least * (now_s - self.began_s)
        self.began_s, self.came, self.asked = now_s, 0, None
        return not was_enough
