"""Notices when somebody else writes one of our settings (inotify(7) works on /proc/sys where it is the same mount)."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from evenet_core.linux.inotify import Watcher
from evenet_core.linux.sysctl import ROOT, Sysctl
from evenet_core.reconciler.facts import FULL_PICTURE, FactChange
from evenet_core.reconciler.item import Item

__all__ = ["SysctlMonitor"]

LATER = 0.5  # seconds: what is being brought up comes first
AT_ONCE, PAUSE = 200, 0.02  # settings; seconds until the next ones
log = logging.getLogger(__name__)


class SysctlMonitor:
    """Yields no facts.

    :param seen: (setting as it is now, True) when it is not as we left it.
    :param lost: something was missed: all settings must be observed again.
    """

    def __init__(self, seen: Callable[[Item, bool], None], lost: Callable[[], None], root: Path = ROOT) -> None:
        self._seen = seen
        self._lost = lost
        self._root = root
        self._left: dict[str, Sysctl] = {}  # as we left them
        self._due: dict[str, None] = {}  # to be watched
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: Watcher | None = None

    @property
    def pending(self) -> int:
        """How many settings are not watched yet."""
        return len(self._due)

    def left(self, item: Sysctl) -> None:
        """This setting is ours, and is so now. It is watched from a moment later on."""
        self._left[item.name] = item
        self._due[item.name] = None
        if self._watcher is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LATER, self._watch_some)

    def given_back(self, name: str) -> None:
        """This setting is ours no longer."""
        self._due.pop(name, None)
        if self._left.pop(name, None) is not None and self._watcher is not None:
            self._watcher.remove(self._root / name)

    async def facts(self) -> AsyncIterator[FactChange]:
        with Watcher() as watcher:
            self._watcher = watcher
            try:
                self._due = dict.fromkeys(self._left)
                self._watch_some()
                if self._left:
                    self._lost()
                yield FULL_PICTURE
                while True:
                    self._judge(await watcher.changes())
            finally:
                self._watcher = None
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None

    def _judge(self, changed: set[Path] | None) -> None:
        if changed is None:
            self._lost()
            return
        for path in changed:
            item = self._left.get(str(path.relative_to(self._root)))
            value = _value(path)
            if item is not None and value is not None and value != item.value:
                self._seen(replace(item, value=value), True)

    def _watch_some(self) -> None:
        """There may be thousands: nobody waits for them."""
        self._timer = None
        for name in list(self._due)[:AT_ONCE]:
            del self._due[name]
            self._watch(name)
        if self._due:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._watch_some)

    def _watch(self, name: str) -> None:
        assert self._watcher is not None
        try:
            self._watcher.add_file(self._root / name)
        except OSError as error:
            if error.errno != errno.ENOENT:  # else its link has just gone
                log.warning("setting %s cannot be watched: %s; an audit looks at it", name, error.strerror)


def _value(path: Path) -> str | None:
    try:
        return " ".join(path.read_text().split())
    except OSError:
        return None
