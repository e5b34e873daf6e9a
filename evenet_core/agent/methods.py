"""What the control socket can be asked: a thin layer over the Node API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from evenet_core import formats
from evenet_core.agent.departure import Departure
from evenet_core.device.probation import OPERATOR
from evenet_core.errors import EvenetError
from evenet_core.node import Node
from evenet_core.status import verdict_document

__all__ = ["Methods"]

SETTLE_TIMEOUT = 600.0  # seconds an `apply` is followed at most


class Methods:
    """Methods by name. Each is a coroutine function, or an async generator for a stream."""

    def __init__(self, node: Node, departure: Departure) -> None:
        self._node = node
        self._departure = departure

    def named(self, name: str) -> Callable[..., Any]:
        """The method called `name`.

        :raises EvenetError: there is none.
        """
        method = getattr(self, f"do_{name}", None) if isinstance(name, str) and name.isidentifier() else None
        if method is None:
            raise EvenetError(f"this agent knows no method {name!r}")
        found: Callable[..., Any] = method
        return found

    async def do_status(self) -> Any:
        return self._node.status()

    async def do_plan(self, name: str = "", text: str | None = None, revert: bool = False) -> Any:
        document = None if text is None else formats.read(text.encode(), name)
        plan = await (self._node.plan_revert() if revert else self._node.plan(document))
        return {"plan": plan.to_json(), "lines": plan.describe()}

    async def do_apply(self, name: str, text: str, confirm: float | None = None, confirm_by: str = OPERATOR) -> Any:
        if not isinstance(confirm, int | float | None) or not isinstance(confirm_by, str):
            raise EvenetError("bad request: apply: `confirm` is a number of seconds, `confirm_by` is text")
        document = formats.read(text.encode(), name)
        seq = self._node.journal.latest
        await self._node.apply(document, confirm=confirm, confirm_by=confirm_by)
        return {"seq": seq, "notices": [str(notice) for notice in document.notices]}

    async def do_confirm(self) -> Any:
        kept = await self._node.confirm()
        return {"confirmed": kept, "text": None if kept else self._node.unconfirmable}

    async def do_settle(
        self, since: int = 0, seconds: float = SETTLE_TIMEOUT, concluded: bool = False
    ) -> AsyncIterator[Any]:
        """Events until the node has settled; the last one is `{"settled": bool, "status": {...}}`.

        :param concluded: not before it is known whether the config stays.
        """
        settled = asyncio.ensure_future(self._settled(seconds, concluded))
        events = aiter(self._node.follow(since))
        following = asyncio.ensure_future(anext(events))
        try:
            while not settled.done():
                await asyncio.wait({settled, following}, return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    since = following.result()["seq"]
                    yield following.result()
                    following = asyncio.ensure_future(anext(events))
            for event in self._node.events(since):
                yield event
            yield {"settled": settled.result(), "status": self._node.status()}
        finally:
            settled.cancel()
            following.cancel()

    async def _settled(self, seconds: float, concluded: bool) -> bool:
        if concluded:
            await self._node.concluded()
        return await self._node.settled(seconds)

    async def do_events(self, since: int = 0) -> Any:
        return self._node.events(since)

    async def do_follow(self, since: int = 0) -> AsyncIterator[Any]:
        async for event in self._node.follow(since):
            yield event

    async def do_dpcs(self) -> Any:
        return self._node.dpcs()

    async def do_try_dpc(self, key: str) -> Any:
        self._node.try_dpc(key)

    async def do_set_port(self, label: str, settings: dict[str, Any]) -> Any:
        from evenet_core.formats.portpatch import port_patch  # noqa: PLC0415  seldom asked for

        self._node.set_port(port_patch(label, settings))

    async def do_revert_ports(self) -> Any:
        return {"reverted": self._node.revert_ports()}

    async def do_test_connectivity(self) -> Any:
        return [verdict_document(verdict) for verdict in await self._node.test_connectivity()]

    async def do_last_tests(self) -> Any:
        return self._node.last_tests()

    async def do_explain(self, name: str) -> Any:
        return self._node.explain(name)

    async def do_graph(self) -> Any:
        return self._node.graph()

    async def do_plugins(self) -> Any:
        return self._node.plugins.describe()

    async def do_leases(self) -> Any:
        return self._node.leases()

    async def do_teardown(self) -> AsyncIterator[Any]:
        """`{"left": [...]}` when all is removed but that, a line each; then the agent ends, also if nobody listens."""
        try:
            yield {"left": await self._departure.tear_down()}
        finally:
            self._departure.leave()
