"""The agent in the foreground: `evenet run`."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from evenet_core import formats
from evenet_core.agent.departure import Departure
from evenet_core.agent.methods import Methods
from evenet_core.agent.server import ControlServer
from evenet_core.agent.sources import Sources
from evenet_core.errors import EvenetError
from evenet_core.linux.files import make_directory
from evenet_core.node import Node
from evenet_core.runtime.teardown import tear_down
from evenet_core.settings import NodeSettings

if TYPE_CHECKING:
    from evenet_core.uplinks.proxy import ConnectProxy

__all__ = ["AgentOptions", "collect_less_often", "run_agent", "take_down"]

LOCK_PATIENCE = 0.5  # seconds
log = logging.getLogger(__name__)


class AgentOptions:
    """What `evenet run` was started with.

    :param sources: files to start from.
    :param teardown: remove everything at the end instead of leaving the network as it is.
    """

    def __init__(
        self,
        *,
        state_dir: Path,
        socket_path: Path,
        settings: NodeSettings,
        sources: Sources | None = None,
        teardown: bool = False,
    ) -> None:
        self.state_dir = state_dir
        self.socket_path = socket_path
        self.settings = settings
        self.sources = sources or Sources()
        self.teardown = teardown


def collect_less_often() -> None:
    """Items and values of the config live long and hold no cycles: to look at all of them again and again, as
    Python does by default, costs a tenth of the time in which a large node comes up. What is young is looked at soon:
    circles that a moment leaves behind do not pile up.
    """
    gc.set_threshold(2_000, 250, 20)


async def run_agent(options: AgentOptions) -> list[str]:
    """Run until SIGTERM or SIGINT; another one changes nothing more. Returns what `teardown` could not remove.

    :raises EvenetError: another agent runs on this state directory, or there is nothing to start from.
    """
    collect_less_often()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with _alone(options.socket_path.parent, options.state_dir):
        node = Node(state_dir=options.state_dir, run_dir=options.socket_path.parent, settings=options.settings)
        given = options.sources.read(node)
        async with node:
            departure = Departure(node, stop, teardown=options.teardown)
            server = ControlServer(Methods(node, departure), options.socket_path)
            await server.start()
            for one in given:
                await _take(node, one.document)
                node.note_taken(one.document, one.digest)
            node.use_last_resort()
            proxy = await _proxy(node)
            notify("READY=1")
            log.info("evenet runs; state in %s, control socket %s", options.state_dir, options.socket_path)
            await stop.wait()
            notify("STOPPING=1")
            await server.stop()
            if proxy is not None:
                await proxy.stop()
            return await departure.finish()


async def _proxy(node: Node) -> ConnectProxy | None:
    """What serves programs on this machine. That its port is taken must not keep the node from its network."""
    if not node.settings.connect_proxy:
        return None
    from evenet_core.uplinks.proxy import ConnectProxy  # noqa: PLC0415

    proxy = ConnectProxy(node.uplinks, node.settings.connect_proxy)
    try:
        await proxy.start()
    except OSError as error:
        log.error("no CONNECT proxy on port %d: %s", node.settings.connect_proxy, error.strerror)
        return None
    return proxy


async def take_down(options: AgentOptions) -> list[str]:
    """Remove what an agent left behind that runs no more. Returns what cannot be removed, a line each.

    :raises EvenetError: an agent runs on this state directory.
    """
    with _alone(options.socket_path.parent, options.state_dir):
        left = await tear_down(options.state_dir, options.socket_path.parent, options.settings)
        if options.socket_path.is_socket():
            options.socket_path.unlink()
        return left


async def _take(node: Node, document: formats.Document) -> None:
    """A disk that is full must not keep the node from its network.

    :raises EvenetError: the document is not for this node.
    """
    try:
        await node.apply(document)
    except EvenetError as error:
        if error.__cause__ is None:
            raise
        log.error("%s", error)


@contextmanager
def _alone(run_dir: Path, state_dir: Path) -> Iterator[None]:
    """Two agents on one directory would undo each other's work. What is locked is the directory: that takes no write,
    and a disk that is read-only or full is no reason to leave the node without network.
    """
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
    with suppress(OSError):  # the node tells it as a problem
        make_directory(state_dir, 0o700)
    with ExitStack() as locks:
        _lock(run_dir, f"directory of the control socket {run_dir}", locks)
        for path in (state_dir, state_dir / "lock"):  # the file is what an earlier evenet locks
            _lock(path, f"state directory {state_dir}", locks)
        yield


def _lock(path: Path, what: str, locks: ExitStack) -> None:
    """
    :raises EvenetError: somebody else has locked it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        locks.callback(os.close, descriptor)
        _wait_for(descriptor)
    except BlockingIOError:
        raise EvenetError(f"another agent runs with the {what}") from None
    except OSError:
        pass  # not there, or broken, which the node will tell


def _wait_for(descriptor: int) -> None:
    """A program that an agent was starting when it was killed holds the lock until its exec is done: a moment.

    :raises BlockingIOError: another agent holds it.
    """
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def notify(state: str) -> None:
    """Tell the service manager (sd_notify(3)); without one, nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
        try:
            notifier.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
        except OSError as error:
            log.warning("the service manager does not listen: %s", error)
