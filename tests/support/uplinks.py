"""A node with any number of ports, each with a network of its own behind it.

    node  eth0 -- world0    controller 198.51.100.7, 2001:db8::7; router 10.9.0.1, fd09:0::1
          eth1 -- world1    the same controller, by another way: router 10.9.1.1, fd09:1::1

The test's own network namespace is the node; the worlds are namespaces without a name. As on a real node each port has
a routing table of its own, that bound sockets use. Servers run in the test's event loop, names are served by dnsmasq.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from ipaddress import ip_address
from pathlib import Path
from ssl import SSLContext
from typing import Any

from evenet_core.linux.netns import inside, make_namespace
from evenet_core.model.values import IPAddress
from evenet_core.probing.request import Egress
from tests.support.kernel import add_address, run

__all__ = ["CONTROLLER", "NAME", "Uplink", "uplinks"]

CONTROLLER = {4: "198.51.100.7", 6: "2001:db8::7"}
NAME = "controller.test"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def uplinks(directory: Path, count: int = 1, *, twins: bool = False) -> Iterator[list[Uplink]]:
    """Ports eth0, eth1 ... of the test's namespace. `twins`: all have the same addresses and the same router."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(Uplink(number, 0 if twins else number, directory))) for number in range(count)
        ]


class Uplink:
    """One port, and what is behind it."""

    def __init__(self, number: int, network: int, directory: Path) -> None:
        self.ifname = f"eth{number}"
        self._world = f"world{number}"
        self._directory = directory
        self._table = str(501 + number)
        self._namespace = make_namespace()
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []
        self.own = {4: f"10.9.{network}.2", 6: f"fd09:{network}::2"}
        self.router = {4: f"10.9.{network}.1", 6: f"fd09:{network}::1"}
        self._connect()

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        return tuple(ip_address(text) for text in self.own.values())

    @property
    def servers(self) -> tuple[IPAddress, ...]:
        """Its name server: the router."""
        return (ip_address(self.router[4]),)

    @property
    def egress(self) -> Egress:
        return Egress(self.ifname, self.addresses, self.servers)

    def _connect(self) -> None:
        place = f"/proc/{os.getpid()}/fd/{self._namespace}"
        run("ip", "link", "add", self.ifname, "type", "veth", "peer", "name", self._world, "netns", place)
        self.run("ip", "link", "set", "lo", "up")
        for address in CONTROLLER.values():
            self.add_address(address, "lo")
        self.run("ip", "link", "set", self._world, "up")
        run("ip", "link", "set", self.ifname, "up")
        for version, length in ((4, 24), (6, 64)):
            self.add_address(f"{self.router[version]}/{length}", self._world)
            add_address(f"{self.own[version]}/{length}", self.ifname, "noprefixroute")
            self._route(version, length)

    def _route(self, version: int, length: int) -> None:
        """As evenet does it: what is bound to the port uses its table, and only that."""
        ip, table = ("ip", f"-{version}"), ("table", self._table)
        network = (
            self.router[version].removesuffix("1") + f"0/{length}" if version == 4 else f"{self.router[6][:-1]}/64"
        )
        run(*ip, "rule", "add", "oif", self.ifname, *table)
        run(*ip, "route", "add", network, "dev", self.ifname, *table)
        run(*ip, "route", "add", "default", "via", self.router[version], "dev", self.ifname, *table)

    def run(self, *command: str) -> str:
        """A program in the port's network."""
        with inside(self._namespace):
            return run(*command)

    def add_address(self, address: str, link: str) -> None:
        """One more address in the port's network."""
        with inside(self._namespace):
            add_address(address, link)

    # -- what goes wrong ------------------------------------------------------------------------------

    def plug(self, plugged: bool) -> None:
        self.run("ip", "link", "set", self._world, "up" if plugged else "down")

    def lose_controller(self) -> None:
        """Packets to the controller are dropped without a word."""
        for address in CONTROLLER.values():
            self.run("ip", "address", "del", address, "dev", "lo")

    def refuse(self, prefix: str, kind: str = "unreachable") -> None:
        """The router says that there is no way to these addresses."""
        self.lose_controller()
        self.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self.run("ip", "route", "add", kind, prefix)

    # -- servers --------------------------------------------------------------------------------------

    def serve_names(self, *options: str, at: str = "") -> None:
        """dnsmasq at the router's address; it listens when this returns: it writes its pid file then."""
        pid = self._directory / f"{self.ifname}-{len(self._daemons)}.pid"
        common = ("--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root")
        where = ("--bind-interfaces", f"--listen-address={at or self.router[4]}", f"--pid-file={pid}", "--local=/test/")
        with inside(self._namespace):
            daemon = subprocess.Popen(["dnsmasq", *common, *where, *options], stderr=subprocess.DEVNULL)
        self._daemons.append(daemon)
        while not pid.exists():
            assert daemon.poll() is None, options

    def listener(self, address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """A socket in the port's network."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(self._namespace):
            opened = socket.socket(family, kind | socket.SOCK_NONBLOCK)
            self._sockets.append(opened)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            host, _, link = address.partition("%")
            opened.bind((host, port, 0, socket.if_nametoindex(link)) if link else (host, port))
        if kind is socket.SOCK_STREAM:
            opened.listen()
        return opened

    async def serve(
        self,
        answer: bytes | Callable[[bytes], bytes] = OK,
        *,
        version: int = 4,
        port: int = 443,
        tls: SSLContext | None = None,
        seen: list[Any] | None = None,
    ) -> None:
        """A server at the controller's address that gives this answer to each request and hangs up.

        :param seen: gets the client's address and what it sent.
        """

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                request = await _request(reader)
                if seen is not None:
                    seen.append((writer.get_extra_info("peername")[0], request.decode()))
                writer.write(answer if isinstance(answer, bytes) else answer(request))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
            except (OSError, asyncio.CancelledError):
                pass  # the client left, or the test is over
            finally:
                writer.transport.abort()

        listener = self.listener(CONTROLLER[version], port)
        self._servers.append(await asyncio.start_server(talk, sock=listener, ssl=tls))

    def serve_datagrams(self, answer: Callable[[bytes], bytes | None], port: int = 53, at: str = "") -> None:
        """Answers each datagram; None is no answer."""
        opened = self.listener(at or self.router[4], port, socket.SOCK_DGRAM)

        def ready() -> None:
            data, client = opened.recvfrom(65535)
            reply = answer(data)
            if reply is not None:
                opened.sendto(reply, client)

        asyncio.get_running_loop().add_reader(opened.fileno(), ready)

    def close(self) -> None:
        for daemon in self._daemons:
            daemon.terminate()
            daemon.wait()
        for server in self._servers:
            server.close()
        for opened in self._sockets:
            opened.close()
        os.close(self._namespace)


async def _request(reader: asyncio.StreamReader) -> bytes:
    """The head of an HTTP request, or whatever begins as TLS does."""
    request = b""
    while not (b"\r\n\r\n" in request or request.startswith(b"\x16")):
        data = await reader.read(65536)
        if not data:
            raise ConnectionResetError
        request += data
    return request
