"""What the drivers of netlink objects have in common: one batch is one datagram."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence

from evenet_core.errors import DriverError
from evenet_core.linux.links import find_link, link_indexes
from evenet_core.linux.netlink import Message
from evenet_core.linux.rtnl import Rtnl
from evenet_core.reconciler.item import Change, Item, Op, Outcome

__all__ = ["NetlinkDriver", "deletes_first"]

MANY = 64  # changes in a batch from which it is cheaper to look at all links once
_GONE = {errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL}


class NetlinkDriver:
    """Turns each change into messages and sends those of a batch together."""

    kinds: tuple[str, ...] = ()

    def __init__(self, rtnl: Rtnl) -> None:
        self.rtnl = rtnl
        self._indexes: dict[str, int] = {}  # of links, as far as this batch knows them

    async def observe(self) -> Iterable[Item]:
        raise NotImplementedError

    async def messages(self, change: Change) -> Sequence[Message]:
        """The requests that carry a change out."""
        raise NotImplementedError

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        self._indexes = await link_indexes(self.rtnl) if len(changes) >= MANY else {}
        errors: list[DriverError | None] = [None] * len(changes)
        requests: list[tuple[int, Message]] = []
        for place, change in deletes_first(changes):
            try:
                requests += [(place, message) for message in await self.messages(change)]
            except DriverError as refused:
                errors[place] = None if _harmless(refused, removing=change.op is Op.DELETE) else refused
        results = await self.rtnl.send([message for _, message in requests])
        taken: list[tuple[int, str]] = []
        for (place, message), error in zip(requests, results, strict=True):
            if error is None:
                continue
            if not _harmless(error, removing=message.type & 3 == 1):  # RTM_DEL*
                errors[place] = errors[place] or error
            elif error.errno == errno.EEXIST:
                taken.append((place, message.about))
        if taken:
            ours = {item.key for item in await self.observe()}
            for place, about in taken:
                if changes[place].key not in ours:
                    errors[place] = DriverError(f"{about} is there already, and it is not ours", errno=errno.EEXIST)
        return [Outcome(change, error) for change, error in zip(changes, errors, strict=True)]

    async def link_names(self) -> dict[int, str]:
        """Names of all links by index."""
        return {index: name for name, index in (await link_indexes(self.rtnl)).items()}

    async def index(self, name: str) -> int:
        """Index of a link, looked up once a batch.

        :raises DriverError: there is no such link.
        """
        if name not in self._indexes:
            link = await find_link(self.rtnl, name)
            if link is None:
                raise DriverError(f"there is no link {name}", errno=errno.ENODEV)
            self._indexes[name] = link.index
        return self._indexes[name]


def deletes_first(changes: Sequence[Change]) -> list[tuple[int, Change]]:
    """Changes with their places, in the order in which they are carried out."""
    return sorted(enumerate(changes), key=lambda numbered: numbered[1].op is not Op.DELETE)


def _harmless(error: DriverError, *, removing: bool) -> bool:
    """What is gone need not be deleted, and what exists need not be made."""
    return error.errno in _GONE if removing else error.errno == errno.EEXIST
