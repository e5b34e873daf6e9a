"""The control socket: who may open it, what is answered to what, and clients that behave badly."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenet_core.agent import server as module
from evenet_core.agent.methods import Methods
from evenet_core.agent.server import ControlServer
from evenet_core.cli.client import AgentError, Client
from evenet_core.errors import ConfigError, EvenetError, Problem


class Echo(Methods):
    """Methods without a node behind them."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.ended: list[str] = []
        self.called: list[str] = []

    async def do_echo(self, value: Any = None) -> Any:
        self.called.append(str(value))
        return value

    async def do_ponder(self) -> Any:
        for _ in range(20):
            await asyncio.sleep(0)
        return "pondered"

    async def do_refuse(self) -> Any:
        raise EvenetError("no such thing")

    async def do_complain(self) -> Any:
        raise ConfigError([Problem("a.b", "is wrong", "make it right", file="x.json"), Problem("c", "too", "also")])

    async def do_mistake(self) -> Any:
        raise ValueError("this document holds no config of a device")

    async def do_break(self) -> Any:
        return dict[str, int]()["lost"]

    async def do_strange(self) -> Any:
        return {("no", "key"): 1}

    async def do_path(self) -> Any:
        return {"path": Path("/x")}

    async def do_count(self, to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    async def do_count_badly(self) -> AsyncIterator[int]:
        yield 1
        raise EvenetError("lost count")

    async def do_follow(self, since: int = 0) -> AsyncIterator[Any]:
        try:
            self.running.set()
            yield "first"
            await asyncio.Event().wait()
        finally:
            self.ended.append("follow")

    async def do_wait(self) -> Any:
        try:
            self.running.set()
            await asyncio.Event().wait()
        finally:
            self.ended.append("wait")


class Site:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.methods = Echo()
        self.server = ControlServer(self.methods, path)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path, limit=1 << 26)

    async def ask(self, *requests: Any) -> list[Any]:
        """All answers to these requests, sent one after the other on one connection."""
        reader, writer = await self.connect()
        found = []
        for request in requests:
            writer.write(request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n")
            found += await answers(reader)
        writer.close()
        return found


async def answers(reader: asyncio.StreamReader) -> list[Any]:
    """The answers to one request; what comes last is none when the server hung up."""
    found = []
    while line := await reader.readline():
        found.append(json.loads(line))
        if "event" not in found[-1]:
            break
    return found


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Site]:
    site = Site(path)
    await site.server.start()
    try:
        yield site
    finally:
        await site.server.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "evenet.sock"


def live(path: Path, story: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with serving(path) as site, asyncio.timeout(60):
            await story(site)

    asyncio.run(main())


# -- the socket ---------------------------------------------------------------------------------------


def test_only_its_owner_may_open_it(path: Path) -> None:
    async def story(site: Site) -> None:
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600

    live(path, story)


def test_nothing_else_is_made_with_its_narrow_permissions(path: Path, tmp_path: Path) -> None:
    """The mask is the whole process's: a daemon that is started meanwhile would inherit it."""

    async def main() -> None:
        async def elsewhere() -> None:
            for number in range(50):
                (tmp_path / str(number)).mkdir()
                await asyncio.sleep(0)

        task = asyncio.create_task(elsewhere())
        await asyncio.sleep(0)
        async with serving(path):
            await task

    asyncio.run(main())

    modes = {stat.S_IMODE((tmp_path / str(number)).stat().st_mode) for number in range(50)}
    assert modes == {0o777 & ~current_mask()}


def current_mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_it_is_gone_when_the_agent_stops(path: Path) -> None:
    async def story(site: Site) -> None:
        assert path.exists()

    live(path, story)

    assert not path.exists()


def test_one_that_a_dead_agent_left_behind_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def story(site: Site) -> None:
        assert await site.ask({"method": "echo", "params": {"value": 1}}) == [{"result": 1}]

    live(path, story)


def test_one_that_another_agent_listens_at_is_left_to_it(path: Path) -> None:
    async def story(site: Site) -> None:
        with pytest.raises(EvenetError, match=f"another agent listens at {path}"):
            await ControlServer(Echo(), path).start()

        assert await site.ask({"method": "echo", "params": {"value": 1}}) == [{"result": 1}]

    live(path, story)


@pytest.mark.parametrize(
    "make", [lambda path: path.write_text("precious"), lambda path: path.symlink_to("/etc/passwd")]
)
def test_what_is_no_socket_is_not_removed(path: Path, make: Callable[[Path], None]) -> None:
    path.parent.mkdir()
    make(path)

    with pytest.raises(EvenetError, match="is no socket"):
        asyncio.run(ControlServer(Echo(), path).start())

    assert path.is_symlink() or path.read_text() == "precious"


def test_an_agent_that_stops_leaves_the_socket_of_the_next_one(path: Path) -> None:
    async def main() -> None:
        first = ControlServer(Echo(), path)
        await first.start()
        path.unlink()
        async with serving(path) as second:
            await first.stop()

            assert await second.ask({"method": "echo"}) == [{"result": None}]

    asyncio.run(main())


# -- answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 1, "ä\n", [], {"a": [1, {"b": None}]}])
def test_a_result_is_one_line(path: Path, value: Any) -> None:
    async def story(site: Site) -> None:
        assert await site.ask({"method": "echo", "params": {"value": value}}) == [{"result": value}]

    live(path, story)


def test_a_stream_is_events_and_an_end(path: Path) -> None:
    async def story(site: Site) -> None:
        assert await site.ask({"method": "count", "params": {"to": 3}}) == [
            {"event": 0},
            {"event": 1},
            {"event": 2},
            {"result": None},
        ]

    live(path, story)


def test_what_is_refused_is_told_in_the_methods_words(path: Path) -> None:
    async def story(site: Site) -> None:
        refused, complained, mistaken = await site.ask(
            *({"method": name} for name in ("refuse", "complain", "mistake"))
        )

        assert refused == {"error": {"text": "no such thing", "problems": []}}
        assert complained["error"]["problems"] == ["x.json: a.b: is wrong; make it right", "c: too; also"]
        assert mistaken["error"]["text"] == "this document holds no config of a device"

    live(path, story)


def test_a_stream_that_breaks_off_ends_with_the_reason(path: Path) -> None:
    async def story(site: Site) -> None:
        assert await site.ask({"method": "count_badly"}) == [
            {"event": 1},
            {"error": {"text": "lost count", "problems": []}},
        ]

    live(path, story)


def test_a_mistake_of_ours_is_told_logged_and_ends_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(site: Site) -> None:
        broken, well = await site.ask({"method": "break"}, {"method": "echo"})

        assert broken["error"]["text"] == "internal error: KeyError: 'lost'"
        assert well == {"result": None}

    live(path, story)

    assert "a request failed" in caplog.text


def test_an_answer_that_has_no_form_is_told_and_nobody_waits_for_ever(path: Path) -> None:
    async def story(site: Site) -> None:
        strange, text = await site.ask({"method": "strange"}, {"method": "path"})

        assert strange["error"]["text"].startswith("internal error: the answer cannot be written")
        assert text == {"result": {"path": "/x"}}

    live(path, story)


# -- bad requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"{\n",
        b"\xff\xfe\n",
        b"null\n",
        b"[]\n",
        b"5\n",
        b'"echo"\n',
        b"{}\n",
        b'{"params": {}}\n',
        b'{"method": "echo", "params": []}\n'.replace(b"[]", b"[1]"),
        b'{"method": "echo", "params": 5}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_what_is_no_request_is_told_so_and_the_next_one_is_answered(path: Path, line: bytes) -> None:
    async def story(site: Site) -> None:
        bad, good = await site.ask(line, {"method": "echo", "params": {"value": 1}})

        assert bad["error"]["text"].startswith("bad request: ")
        assert good == {"result": 1}

    live(path, story)


@pytest.mark.parametrize(
    "name", ["nothing", "", "_echo", "do_echo", "__init__", "named", "echo ", "../echo", 5, None, ["echo"]]
)
def test_only_methods_that_are_meant_to_be_asked_can_be(path: Path, name: Any) -> None:
    async def story(site: Site) -> None:
        [answer] = await site.ask({"method": name})

        assert answer == {"error": {"text": f"this agent knows no method {name!r}", "problems": []}}

    live(path, story)


@pytest.mark.parametrize("params", [{"valeu": 1}, {"value": 1, "more": 2}, {"self": 1}])
def test_parameters_that_a_method_does_not_take_are_a_bad_request(path: Path, params: dict[str, Any]) -> None:
    async def story(site: Site) -> None:
        [answer] = await site.ask({"method": "echo", "params": params})

        assert answer["error"]["text"].startswith("bad request: echo: ")
        assert site.methods.called == []

    live(path, story)


def test_a_parameter_that_is_missing_is_a_bad_request(path: Path) -> None:
    async def story(site: Site) -> None:
        [answer] = await site.ask({"method": "count"})

        assert answer["error"]["text"] == "bad request: count: missing a required argument: 'to'"

    live(path, story)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"") + b"\n"), min_size=1, max_size=5))
def test_no_bytes_whatsoever_end_the_agent(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    async def story(site: Site) -> None:
        found = await site.ask(*lines, {"method": "echo", "params": {"value": "well"}})

        assert found[-1] == {"result": "well"}
        assert len(found) == len(lines) + 1

    live(tmp_path_factory.getbasetemp() / "any.sock", story)


# -- clients ------------------------------------------------------------------------------------------


def test_requests_that_are_sent_at_once_are_answered_in_turn(path: Path) -> None:
    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        for number in range(50):
            writer.write(json.dumps({"method": "echo", "params": {"value": number}}).encode() + b"\n")

        found = [(await answers(reader))[0]["result"] for _ in range(50)]

        assert found == list(range(50))
        writer.close()

    live(path, story)


def test_who_does_not_wait_for_an_answer_loses_neither_it_nor_the_next_request(path: Path) -> None:
    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b'{"method": "ponder"}\n{"method": "ponder"}\n\n{"method": "echo", "params": {"value": 1}}\n')

        found = [(await answers(reader))[0] for _ in range(4)]

        assert found[:2] == [{"result": "pondered"}] * 2
        assert "bad request" in found[2]["error"]["text"]
        assert found[3] == {"result": 1}
        writer.close()

    live(path, story)


def test_a_request_that_comes_during_a_stream_is_answered_after_it(path: Path) -> None:
    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b'{"method": "count", "params": {"to": 1000}}\n')
        await reader.readline()
        writer.write(b'{"method": "echo", "params": {"value": "next"}}\n')

        assert len(await answers(reader)) == 1000
        assert await answers(reader) == [{"result": "next"}]
        writer.close()

    live(path, story)


def test_a_request_may_come_in_pieces(path: Path) -> None:
    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        for byte in b'{"method": "echo", "params": {"value": 7}}\n':
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)

        assert await answers(reader) == [{"result": 7}]
        writer.close()

    live(path, story)


@pytest.mark.parametrize("method", ["follow", "wait"])
def test_hanging_up_ends_the_request_that_runs(path: Path, method: str) -> None:
    async def story(site: Site) -> None:
        _, writer = await site.connect()
        writer.write(json.dumps({"method": method}).encode() + b"\n")
        await site.methods.running.wait()

        writer.close()
        while not site.methods.ended:
            await asyncio.sleep(0)

        assert site.methods.ended == [method]

    live(path, story)


def test_half_a_request_is_none(path: Path) -> None:
    async def story(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b'{"method": "echo", "params": {"value": "half"}}')
        writer.write_eof()

        assert await reader.read() == b""
        assert site.methods.called == []
        writer.close()

    live(path, story)


def test_a_line_that_is_too_long_is_told_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REQUEST", 1000)

    async def story(site: Site) -> None:
        [whole] = await site.ask({"method": "echo", "params": {"value": "x" * 900}})
        assert whole == {"result": "x" * 900}

        found = await site.ask({"method": "echo", "params": {"value": "x" * 1000}})

        assert found == [{"error": {"text": "a request may have 1000 bytes", "problems": []}}]

    live(path, story)


def test_more_clients_than_there_are_places_are_told_so_and_the_others_go_on(path: Path) -> None:
    async def story(site: Site) -> None:
        clients = [await site.connect() for _ in range(module.MAX_CLIENTS)]
        for reader, writer in clients:
            writer.write(b'{"method": "echo"}\n')
            assert await answers(reader) == [{"result": None}]

        reader, writer = await site.connect()
        refused = await reader.read()
        writer.close()

        assert json.loads(refused) == {"error": {"text": "64 clients are connected already", "problems": []}}
        first_reader, first_writer = clients[0]
        first_writer.write(b'{"method": "echo", "params": {"value": 1}}\n')
        assert await answers(first_reader) == [{"result": 1}]
        for _, each in clients:
            each.close()

    live(path, story)


def test_a_place_is_free_again_when_a_client_has_left(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CLIENTS", 1)

    async def story(site: Site) -> None:
        for number in range(5):
            _, writer = await site.connect()
            writer.write(b'{"method": "wait"}\n')
            await site.methods.running.wait()
            writer.close()
            while len(site.methods.ended) <= number:
                await asyncio.sleep(0)
            site.methods.running.clear()

    live(path, story)


def test_an_agent_that_stops_hangs_up_on_everybody(path: Path) -> None:
    async def main() -> None:
        async with serving(path) as site:
            reader, writer = await site.connect()
            writer.write(b'{"method": "follow"}\n')
            assert await reader.readline() == b'{"event":"first"}\n'

        assert await reader.read() == b""
        assert site.methods.ended == ["follow"]
        writer.close()

    asyncio.run(main())


# -- our own client -----------------------------------------------------------------------------------


def asked(path: Path, ask: Callable[[Client], Any]) -> Any:
    """What the command line's client gets; it blocks, so it is in a thread."""

    def client() -> Any:
        with Client(str(path)) as agent:
            return ask(agent)

    async def main() -> Any:
        async with serving(path):
            return await asyncio.to_thread(client)

    return asyncio.run(main())


def test_the_command_line_understands_results_streams_and_errors(path: Path) -> None:
    def story(agent: Client) -> None:
        for number in range(200):  # as fast as it can: no byte of the next request may get lost
            assert agent.call("echo", value=number) == number
        assert list(agent.stream("count", to=3)) == [0, 1, 2]
        with pytest.raises(AgentError, match="no such thing"):
            agent.call("refuse")
        with pytest.raises(AgentError, match="the config has problems") as raised:
            agent.call("complain")
        assert raised.value.problems == ["x.json: a.b: is wrong; make it right", "c: too; also"]
        assert agent.call("echo", value="well") == "well"

    asked(path, story)
