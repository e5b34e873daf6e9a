"""What answers over HTTP in a lab: the model's web servers, the Internet, the controller; and in apps an echo."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from pathlib import Path

from evenet_core.lab.model import Endpoint, Page
from evenet_core.linux.httpd import Handler, HttpServer, Request, Response
from evenet_core.linux.netns import inside

__all__ = ["Echo", "controller", "listen", "pages", "somewhere", "tls_context"]

TEXT = "text/plain; charset=utf-8"


def listen(namespace: int, port: int) -> list[socket.socket]:
    """Sockets for every address of a host, of both IP versions."""
    found = []
    with inside(namespace):
        for family in (socket.AF_INET, socket.AF_INET6):
            opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.bind(("", port))
            opened.listen(128)
            found.append(opened)
    return found


async def serve(namespace: int, port: int, handler: Handler, context: ssl.SSLContext | None = None) -> None:
    """Answer on a port of a host from now on."""
    for listener in listen(namespace, port):
        await HttpServer(listener, handler, tls=context).start()


def tls_context(chain: Path) -> ssl.SSLContext:
    """A server's side of TLS with the certificate and key of a PEM file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


def pages(endpoint: Endpoint) -> Handler:
    """The pages of a web server of the model."""
    known: Mapping[str, Page] = dict(endpoint.pages)

    async def answer(request: Request) -> Response:
        page = known.get(request.path.partition("?")[0])
        if page is None:
            return Response(404, TEXT, b"no such page\n")
        return Response(200, page.content_type, page.content.encode())

    return answer


def somewhere(name: str) -> Handler:
    """A machine that answers everything and tells who asked."""

    async def answer(request: Request) -> Response:
        return Response(200, TEXT, f"{name}: hello {_plain(request)}\n".encode())

    return answer


def controller(log: Path, now: Callable[[], float] = time.time) -> Handler:
    """The controller. Each request is a line of its log: when, from where, what."""

    async def answer(request: Request) -> Response:
        entry = {
            "time": now(),
            "source": _plain(request),
            "port": request.source_port,
            "method": request.method,
            "path": request.path,
            "host": dict(request.headers).get("host", ""),
        }
        _append(log, json.dumps(entry))
        return Response(200, TEXT, b"ok\n")

    return answer


def _append(log: Path, line: str) -> None:
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _plain(request: Request) -> str:
    """The client's address; one of IPv4 in IPv6's clothes undressed."""
    source = request.source
    mapped = source.ipv4_mapped if isinstance(source, IPv6Address) else None
    return str(mapped or source)


class Echo:
    """A TCP service of an app: web browsers get a page, everybody else what he said."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def serve(self, namespace: int, port: int) -> list[asyncio.Server]:
        """Answer on a port from now on."""
        return [await asyncio.start_server(self._answer, sock=listener) for listener in listen(namespace, port)]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if data.startswith((b"GET ", b"HEAD ")):
                    writer.write(self._page(str(writer.get_extra_info("peername")[0])))
                    break
                writer.write(data)
                await writer.drain()
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def _page(self, client: str) -> bytes:
        body = f"{self._name}: hello {client}\n"
        return f"HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
