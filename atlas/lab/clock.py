"""The lab's clock: real time plus an offset, and durations stretched by a latency profile."""

from __future__ import annotations

import asyncio
import time

# What a second of PVE's own work takes here, in seconds.
PROFILES = {"instant": 0.0, "fast": 0.02, "brisk": 0.1, "realistic": 1.0, "slow": 4.0}


class Clock:
    """Time as the lab's guests and tasks see it.

    Args:
        profile: A name of PROFILES.
    """

    def __init__(self, profile: str = "realistic") -> None:
        self.profile = profile
        self.offset = 0.0
        self._skipped = 0.0
        self._moved = asyncio.Event()

    @property
    def profile(self) -> str:
        """The latency profile's name."""
        return self._profile

    @profile.setter
    def profile(self, name: str) -> None:
        if name not in PROFILES:
            raise ValueError(f"unknown latency profile {name!r}: one of {', '.join(PROFILES)}")
        self._profile, self.scale = name, PROFILES[name]

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return time.time() + self.offset

    def steady(self) -> float:
        """Return seconds that jumps do not touch, for durations."""
        return time.monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` of work pass, as long as the profile makes them; advance() shortens it."""
        await self.wait(seconds * self.scale)

    async def wait(self, seconds: float) -> None:
        """Let `seconds` of the lab's time pass, whatever the profile; advance() shortens it."""
        await self.until(self.steady() + seconds)

    async def until(self, end: float) -> None:
        """Wait for a time of steady()."""
        if end <= self.steady():
            await asyncio.sleep(0)
        while (left := end - self.steady()) > 0:
            moved = self._moved
            try:
                await asyncio.wait_for(moved.wait(), left)
            except TimeoutError:
                return

    def advance(self, seconds: float) -> None:
        """Move the clock forward and wake what waits for the time that has now come."""
        self.offset += seconds
        self._skipped += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    def jump(self, seconds: float) -> None:
        """Set the clock to another time, forward or back; what waits does not wait shorter or longer for it."""
        self.offset += seconds
