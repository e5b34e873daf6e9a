"""Streams of packets with numbers, and connections that echo: what becomes of each packet is known.

`python -m tests.support.streams` runs them in a process of its own, so that nothing else takes its time; it reads what
to run, and answers each `count` on its input with a line of JSON.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evenet_core.linux.netns import inside

__all__ = ["Count", "Stream", "Streams", "streams"]

RATE = 1000  # datagrams a second, of each stream
BURST = 25  # datagrams that are sent at once to catch up: no queue on the way is as short
ECHO = 0.01  # seconds between two messages on a connection
QUIET = 0.3  # seconds in which all that is on its way has arrived
PATIENCE = 15.0  # seconds for an answer on a connection; TCP repeats what was lost
SO_RCVBUFFORCE, BUFFER = 33, 64 << 20


@dataclass(frozen=True, slots=True)
class Stream:
    """From one network namespace to another. The two addresses may differ: somebody may translate them.

    :param client: path of the sender's namespace.
    :param server: path of the receiver's namespace.
    :param udp: address and port that datagrams are sent to; `listen_udp` is the port that they arrive at.
    :param tcp: address and port of the connection; `listen_tcp` = 0: somebody else answers there.
    """

    name: str
    client: str
    server: str
    udp: tuple[str, int]
    listen_udp: int
    tcp: tuple[str, int]
    listen_tcp: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """What became of a stream since it began."""

    sent: int
    lost: int
    echoed: int  # messages that came back on the connection that was made at first
    broken: str  # why that connection is none any more; empty = it lives


class Streams:
    """Streams that run."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def count(self) -> dict[str, Count]:
        """The state of each stream, when all that was sent so far had its time to arrive."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("count\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the streams ended"
        return {name: Count(**count) for name, count in json.loads(line).items()}


@contextmanager
def streams(*given: Stream) -> Iterator[Streams]:
    """These streams run while what is inside happens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.streams"],
        cwd=Path(__file__).parent.parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps([asdict(stream) for stream in given]) + "\n")
        process.stdin.flush()
        yield Streams(process)
    finally:
        process.kill()
        process.communicate()


class _Running:
    def __init__(self, stream: Stream) -> None:
        self._seen = bytearray()  # by number, whether a datagram arrived
        self.sent = 0
        self._asked = self.echoed = 0
        self.broken = ""
        self._answer = b""
        with inside(stream.server):
            self._receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            listener = socket.create_server(("", stream.listen_tcp)) if stream.listen_tcp else None
        self._receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._receiver.bind(("", stream.listen_udp))
        self._receiver.setblocking(False)
        with inside(stream.client):
            self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sender.connect(stream.udp)
        self._connection.settimeout(PATIENCE)
        self._connection.connect(stream.tcp)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.setblocking(False)
        self._other = listener.accept()[0] if listener is not None else None
        if self._other is not None:
            self._other.setblocking(False)

    @property
    def descriptors(self) -> list[socket.socket]:
        return [self._receiver, self._connection, *([self._other] if self._other is not None else [])]

    def send(self, due: int) -> None:
        for _ in range(min(BURST, due - self.sent)):
            with suppress(OSError):  # no way out: it is lost
                self._sender.send(self.sent.to_bytes(8, "big"))
            self.sent += 1

    def ask(self, due: int) -> None:
        if self._asked < due and not self.broken:
            try:
                self._connection.send(self._asked.to_bytes(8, "big"))
                self._asked += 1
            except BlockingIOError:
                pass
            except OSError as error:
                self.broken = str(error)

    def receive(self) -> None:
        with suppress(BlockingIOError):
            while True:
                number = int.from_bytes(self._receiver.recv(64), "big")
                self._seen.extend(bytes(max(0, number + 1 - len(self._seen))))
                self._seen[number] = 1
        self._echo()
        self._hear()

    def _echo(self) -> None:
        if self._other is not None:
            with suppress(BlockingIOError):
                self._other.send(self._other.recv(65536))

    def _hear(self) -> None:
        try:
            data = self._connection.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self.broken = self.broken or str(error)
            return
        if not data:
            self.broken = self.broken or "it was closed"
        self._answer += data
        while len(self._answer) >= 8:
            if int.from_bytes(self._answer[:8], "big") != self.echoed:
                self.broken = self.broken or "it said something else"
            self._answer = self._answer[8:]
            self.echoed += 1

    @property
    def waits(self) -> bool:
        return self.echoed < self._asked and not self.broken

    def count(self) -> dict[str, Any]:
        if self.waits:
            self.broken = f"no answer for {PATIENCE:g} s"
        lost = self.sent - sum(self._seen)
        return {"sent": self.sent, "lost": lost, "echoed": self.echoed, "broken": self.broken}


def _run(running: dict[str, _Running]) -> None:
    """Turns of sending and receiving, until nobody asks any more."""
    began = time.monotonic()
    everything = [one for stream in running.values() for one in stream.descriptors]
    while True:
        passed = time.monotonic() - began
        for stream in running.values():
            stream.send(int(passed * RATE))
            stream.ask(int(passed / ECHO))
        _receive(running.values(), everything, 0.001)
        if select.select([0], [], [], 0)[0]:
            if not os.read(0, 100):
                return
            asked = time.monotonic()
            _settle(running.values(), everything)
            told = {name: stream.count() for name, stream in running.items()}
            os.write(1, json.dumps(told).encode() + b"\n")
            began += time.monotonic() - asked  # nothing was due meanwhile


def _settle(running: Collection[_Running], everything: Sequence[socket.socket]) -> None:
    now = time.monotonic()
    while time.monotonic() < now + QUIET or (
        any(stream.waits for stream in running) and time.monotonic() < now + PATIENCE
    ):
        _receive(running, everything, 0.01)


def _receive(running: Collection[_Running], everything: Sequence[socket.socket], patience: float) -> None:
    select.select(everything, [], [], patience)
    for stream in running:
        stream.receive()


def _main() -> None:
    given = b""
    while not given.endswith(b"\n"):
        given += os.read(0, 65536)
    _run({one["name"]: _Running(_stream(one)) for one in json.loads(given)})


def _stream(given: dict[str, Any]) -> Stream:
    return Stream(**given | {"udp": tuple(given["udp"]), "tcp": tuple(given["tcp"])})


if __name__ == "__main__":
    _main()
