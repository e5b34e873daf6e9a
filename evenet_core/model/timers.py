"""Timers among the device properties, in seconds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BETTER_INTERVAL",
    "DISCONNECT",
    "LOCAL_NETWORK",
    "LOCAL_RADIO",
    "TEST_DURATION",
    "TEST_INTERVAL",
    "TIMERS",
    "Timer",
]


@dataclass(frozen=True, slots=True)
class Timer:
    """One timer by the name of its property.

    :param least: what less than that counts as: a node has more to do than to test.
    :param off: whether 0 switches it off.
    """

    name: str
    default: int
    least: int
    off: bool = False

    @staticmethod
    def is_seconds(text: str) -> bool:
        """Whether this is a number of seconds; what is none counts as not given."""
        return text.isascii() and text.isdecimal() and len(text) <= 9

    def is_too_short(self, text: str) -> bool:
        return int(text) < self.least and not (self.off and int(text) == 0)

    def seconds(self, text: str | None) -> float:
        """What counts."""
        if text is None or not self.is_seconds(text):
            return float(self.default)
        return float(self.least if self.is_too_short(text) else text)


TEST_DURATION = Timer("timer.port.testduration", 30, 1)
TEST_INTERVAL = Timer("timer.port.testinterval", 300, 10)
BETTER_INTERVAL = Timer("timer.port.testbetterinterval", 600, 10, off=True)
DISCONNECT = Timer("timer.reboot.no.network", 604_800, 120)
LOCAL_NETWORK = Timer("timer.lps.network.interval", 60, 3)
LOCAL_RADIO = Timer("timer.lps.radio.interval", 5, 3)
TIMERS = {
    timer.name: timer
    for timer in (TEST_DURATION, TEST_INTERVAL, BETTER_INTERVAL, DISCONNECT, LOCAL_NETWORK, LOCAL_RADIO)
}
