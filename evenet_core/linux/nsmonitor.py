"""Network namespaces that got a path, as ip-netns(8) gives it, and lost it again: facts `namespace:PATH`.

The kernel tells that some mount changed (poll(2) of /proc/PID/mountinfo); which one is found out by reading.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
from collections.abc import AsyncIterator

from evenet_core.model.facts import namespace_fact
from evenet_core.reconciler.facts import FULL_PICTURE, FactChange

__all__ = ["NamespaceMonitor", "mounted_namespaces"]

MOUNTS = "/proc/self/mountinfo"
_ESCAPE = re.compile(r"\\([0-7]{3})")


class NamespaceMonitor:
    """Facts on the network namespaces in one directory: their inode, which tells one from the next at a path."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    async def facts(self) -> AsyncIterator[FactChange]:
        known: dict[str, str] = {}
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as mounts, select.epoll() as poll:  # noqa: ASYNC230
            poll.register(mounts, select.EPOLLPRI | select.EPOLLERR | select.EPOLLET)
            loop.add_reader(poll.fileno(), changed.set)
            try:
                first = True
                while True:
                    poll.poll(0)
                    mounts.seek(0)
                    found = mounted_namespaces(mounts.read(), self._directory)
                    for path in known.keys() | found.keys():
                        if known.get(path) != found.get(path):
                            yield FactChange(namespace_fact(path), found.get(path))
                    known = found
                    if first:
                        yield FULL_PICTURE
                        first = False
                    await changed.wait()
                    changed.clear()
            finally:
                loop.remove_reader(poll.fileno())


def mounted_namespaces(mounts: str, directory: str) -> dict[str, str]:
    """Inodes of the network namespaces right in a directory by their paths, from the text of mountinfo.

    proc_pid_mountinfo(5): ID, parent, device, root, mount point, ..., separator, type, ...
    """
    found = {}
    for line in mounts.splitlines():
        if " - nsfs " not in line:
            continue
        fields = line.split(" ")
        root, path = fields[3], _ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4])
        if root.startswith("net:[") and os.path.dirname(path) == directory:
            found[path] = root[5:-1]
    return found
