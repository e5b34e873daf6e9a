"""Names to addresses (RFC 1035, RFC 3596) by one port's own DNS servers, asked through that port.

The system's resolver is never asked: it knows of all ports, so that one whose servers are broken would live
on the answers that another one got.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from evenet_core.probing.request import Cause, Egress, ProbeError
from evenet_core.probing.sockets import connected_socket, os_failures

if TYPE_CHECKING:
    from evenet_core.model.values import IPAddress

__all__ = ["addresses_of", "resolve"]

PORT = 53
MAX_SERVERS = 4
MAX_ADDRESSES = 8  # of one version
SERVER_TIMEOUT = 1.5  # seconds for one server to answer
ROUNDS = 2  # datagrams get lost: how often all servers are asked
STRAGGLER = 0.3  # seconds that addresses of one version wait for those of the other
RECORD = {4: dns.rdatatype.A, 6: dns.rdatatype.AAAA}

# From the most telling to the least: what a name is said to be when its servers disagree in how they fail.
_TELLING = (Cause.NAME_UNKNOWN, Cause.NAME_TEMPORARY, Cause.NAME_TIMEOUT)


async def resolve(name: str, egress: Egress, versions: Sequence[int] = (4, 6)) -> list[IPAddress]:
    """Addresses of `name`, those of the first version first.

    :raises ProbeError: there is none, or no server says so in time (`ROUNDS` * `SERVER_TIMEOUT` a server at most).
    """
    host = _parsed(name)
    servers = [server for server in egress.dns if egress.source_for(server) is not None][:MAX_SERVERS]
    if not servers:
        raise ProbeError(Cause.NO_DNS, f"interface {egress.ifname}: no DNS server available")
    tasks = [asyncio.create_task(_ask_all(host, RECORD[version], egress, servers)) for version in versions]
    try:
        return await _gathered(tasks, f"name {name} on {egress.ifname}")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _parsed(name: str) -> dns.name.Name:
    try:
        return dns.name.from_text(name)
    except (dns.exception.DNSException, ValueError) as error:
        raise ProbeError(Cause.NAME_UNKNOWN, f"{name!r} is not a host name") from error


async def _gathered(tasks: Sequence[asyncio.Task[list[IPAddress]]], about: str) -> list[IPAddress]:
    """What the questions for all versions bring; a server that is silent about one version holds up little."""
    waiting = set(tasks)
    while waiting:
        answered = any(_addresses(task) for task in tasks)
        done, waiting = await asyncio.wait(
            waiting, timeout=STRAGGLER if answered else None, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            break
    found = [address for task in tasks for address in _addresses(task)]
    if found:
        return found
    errors = [error for task in tasks if isinstance(error := task.exception(), ProbeError)]
    if not errors:
        raise ProbeError(Cause.NAME_UNKNOWN, f"{about}: no address")
    raise min(errors, key=_rank)


def _addresses(task: asyncio.Task[list[IPAddress]]) -> list[IPAddress]:
    return task.result() if task.done() and task.exception() is None else []


def _rank(error: ProbeError) -> int:
    return _TELLING.index(error.cause) if error.cause in _TELLING else len(_TELLING)


async def _ask_all(
    host: dns.name.Name, record: dns.rdatatype.RdataType, egress: Egress, servers: Sequence[IPAddress]
) -> list[IPAddress]:
    """Ask one server after the other; the first that knows decides, also that there is no such name."""
    errors: list[ProbeError] = []
    for server in (*servers,) * ROUNDS:
        about = f"name {host.to_text(omit_final_dot=True)} asked of {server} on {egress.ifname}"
        try:
            return addresses_of(await _ask(dns.message.make_query(host, record), egress, server, about), about)
        except ProbeError as error:
            if error.cause is Cause.NAME_UNKNOWN:
                raise
            errors.append(error)
    raise min(errors, key=_rank)


async def _ask(query: dns.message.Message, egress: Egress, server: IPAddress, about: str) -> dns.message.Message:
    """One question to one server: by UDP, by TCP if the answer does not fit (RFC 7766)."""
    source = egress.source_for(server)
    assert source is not None
    try:
        with os_failures(about):
            async with asyncio.timeout(SERVER_TIMEOUT):
                with await connected_socket(egress, source, server, PORT, socket.SOCK_DGRAM) as sock:
                    answer = await _ask_udp(query, sock)
                if not answer.flags & dns.flags.TC:
                    return answer
                with await connected_socket(egress, source, server, PORT, socket.SOCK_STREAM) as sock:
                    return await _ask_tcp(query, sock)
    except ProbeError as error:
        # A server that refuses datagrams is one that does not run yet; all else is silence.
        cause = {Cause.REFUSED: Cause.NAME_TEMPORARY, Cause.TIMEOUT: Cause.NAME_TIMEOUT}.get(error.cause, error.cause)
        raise ProbeError(cause, str(error)) from error


async def _ask_udp(query: dns.message.Message, sock: socket.socket) -> dns.message.Message:
    """The answer; datagrams that answer something else, or nothing, may be forged and count for nothing."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, query.to_wire())
    while True:
        datagram = await loop.sock_recv(sock, 65535)
        with suppress(dns.exception.DNSException, ValueError):
            # What is cut off may be cut anywhere: its records are not for reading.
            answer = dns.message.from_wire(datagram, question_only=_truncated(datagram))
            if query.is_response(answer):
                return answer


def _truncated(datagram: bytes) -> bool:
    return len(datagram) > 2 and bool(datagram[2] & 0x02)  # RFC 1035 4.1.1, bit TC


async def _ask_tcp(query: dns.message.Message, sock: socket.socket) -> dns.message.Message:
    loop = asyncio.get_running_loop()
    question = query.to_wire()
    await loop.sock_sendall(sock, struct.pack("!H", len(question)) + question)
    (length,) = struct.unpack("!H", await _exactly(sock, 2))
    data = await _exactly(sock, length)
    with suppress(dns.exception.DNSException, ValueError):
        answer = dns.message.from_wire(data)
        if query.is_response(answer):
            return answer
    raise OSError("the answer is not one to the question")


async def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = await asyncio.get_running_loop().sock_recv(sock, count - len(data))
        if not chunk:
            raise ConnectionResetError(f"connection closed after {len(data)} of {count} bytes")
        data += chunk
    return data


def addresses_of(answer: dns.message.Message, about: str) -> list[IPAddress]:
    """Addresses that an answer gives to the name asked for, aliases followed; empty = the name has none.

    An address that leads nowhere but to this machine, or to many, is none: a lie must not be connected to.

    :raises ProbeError: there is no such name, or the server cannot say.
    """
    code = answer.rcode()
    if code == dns.rcode.NXDOMAIN:
        raise ProbeError(Cause.NAME_UNKNOWN, f"{about}: there is no such name")
    if code != dns.rcode.NOERROR or not isinstance(answer, dns.message.QueryMessage):
        raise ProbeError(Cause.NAME_TEMPORARY, f"{about}: the server answered {dns.rcode.to_text(code)}")
    try:
        records = answer.resolve_chaining().answer or ()
    except dns.exception.DNSException as error:
        raise ProbeError(Cause.NAME_TEMPORARY, f"{about}: the answer makes no sense") from error
    found = [ip_address(record.address) for record in records]
    return [address for address in found if _leads_somewhere(address)][:MAX_ADDRESSES]


def _leads_somewhere(address: IPAddress) -> bool:
    return not (address.is_unspecified or address.is_loopback or address.is_multicast)
