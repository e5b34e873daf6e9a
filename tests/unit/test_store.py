"""Durable state: whatever happens to a file or in between, the last value or the one before is there."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.errors import EvenetError
from evenet_core.store import Store

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state")


def main(store: Store) -> Path:
    return store.directory / "config.json"


def previous(store: Store) -> Path:
    return store.directory / "config.json.previous"


# -- values -------------------------------------------------------------------------------------------


@given(JSON)
def test_what_is_stored_is_loaded(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    store = Store(tmp_path_factory.getbasetemp() / "values")

    store.save("config", value)

    assert store.load("config") == value
    assert Store(store.directory).load("config") == value


def test_what_was_never_stored_is_nothing(store: Store) -> None:
    assert store.load("config") is None


def test_documents_know_nothing_of_each_other(store: Store) -> None:
    store.save("config", 1)
    store.save("numbers", 2)

    assert (store.load("config"), store.load("numbers")) == (1, 2)


def test_state_is_for_root_only(store: Store) -> None:
    store.save("config", {"password": "secret"})
    store.save("config", {"password": "another"})

    modes = {path.name: path.stat().st_mode & 0o777 for path in store.directory.iterdir()}
    assert modes == {"config.json": 0o600, "config.json.previous": 0o600}
    assert store.directory.stat().st_mode & 0o777 == 0o700


def test_the_same_value_again_wears_out_no_flash(store: Store) -> None:
    store.save("config", {"a": 1, "b": 2})
    before = main(store).stat()

    store.save("config", {"b": 2, "a": 1})

    assert main(store).stat() == before
    assert not previous(store).exists()


# -- damage -------------------------------------------------------------------------------------------


def swap_body(data: bytes) -> bytes:
    header, _, _ = data.partition(b"\n")
    return header + b'\n"forged"'


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: bytes(len(data)),
        lambda data: data.replace(b"second", b"seconk"),
        swap_body,
        lambda data: b"[]",
        lambda data: b"null",
        lambda data: b"{}",
        lambda data: data.partition(b"\n")[2],
        lambda data: data.replace(b"1", b'"1"', 1),
        lambda data: b'{"version": 1, "sha256": ""}\n5',
        lambda data: b'{"version": 1, "sha256": 5}\nnull',
        lambda data: b"[" * 100_000,
        lambda data: b"\xff\xfe",
    ],
)
def test_a_damaged_document_gives_way_to_the_one_before(
    store: Store, spoil: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    store.save("config", "first")
    store.save("config", "second")
    main(store).write_bytes(spoil(main(store).read_bytes()))

    with caplog.at_level(logging.ERROR):
        assert store.load("config") == "first"

    assert str(main(store)) in caplog.text


def test_two_damaged_documents_are_none(store: Store) -> None:
    store.save("config", "first")
    store.save("config", "second")
    for path in (main(store), previous(store)):
        path.write_bytes(b"damaged")

    assert store.load("config") is None


def test_a_document_that_is_gone_gives_way_to_the_one_before(store: Store) -> None:
    store.save("config", "first")
    store.save("config", "second")
    main(store).unlink()

    assert store.load("config") == "first"


def test_a_damaged_document_does_not_push_out_the_one_before(store: Store) -> None:
    """The next save would otherwise leave a good value with nothing to fall back to."""
    store.save("config", "first")
    store.save("config", "second")
    main(store).write_bytes(b"damaged")

    store.save("config", "third")
    main(store).write_bytes(b"damaged again")

    assert store.load("config") == "first"


@given(st.binary(max_size=300))
def test_no_content_whatsoever_stops_the_node(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    store = Store(tmp_path_factory.getbasetemp() / "damage")
    store.directory.mkdir(exist_ok=True)
    main(store).write_bytes(data)

    assert store.load("config") is None


# -- formats ------------------------------------------------------------------------------------------


def renamed(value: Any) -> Any:
    return {"ports": value["interfaces"]}


def counted(value: Any) -> Any:
    return value | {"count": len(value["ports"])}


@pytest.mark.parametrize(
    ("written", "read"),
    [(0, {"interfaces": ["eth0"]}), (1, {"ports": ["eth0"]}), (2, {"ports": ["eth0"], "count": 1})],
)
def test_what_an_earlier_evenet_stored_is_led_through_every_step_since(tmp_path: Path, written: int, read: Any) -> None:
    steps = [{"config": renamed}, {"config": counted, "other": counted}]
    Store(tmp_path).save("config", {"interfaces": ["eth0"]})
    Store(tmp_path).save("numbers", "stays")

    later = Store(tmp_path, steps=steps[:written])

    assert later.load("config") == read
    assert later.load("numbers") == "stays"
    later.save("config", read)
    assert Store(tmp_path, steps=steps[:written]).load("config") == read


@pytest.fixture
def newer(store: Store) -> Iterator[bytes]:
    store.save("config", "of today")
    header, _, body = main(store).read_bytes().partition(b"\n")
    data = json.dumps(json.loads(header) | {"version": store.format + 1}).encode() + b"\n" + body
    main(store).write_bytes(data)
    yield data
    assert main(store).read_bytes() == data, "what a newer evenet wrote was touched"


@pytest.mark.usefixtures("newer")
def test_the_state_of_a_newer_evenet_is_refused(store: Store) -> None:
    with pytest.raises(EvenetError, match="written by a newer evenet"):
        store.load("config")


@pytest.mark.usefixtures("newer")
def test_the_state_of_a_newer_evenet_is_not_overwritten_either(store: Store) -> None:
    with pytest.raises(EvenetError, match="written by a newer evenet"):
        store.save("config", "older")


@pytest.mark.parametrize("name", ["config.json", "config.json.previous", "of-tomorrow.json"])
def test_a_newer_document_is_found_before_any_is_read_and_the_message_says_all(store: Store, name: str) -> None:
    store.save("config", "first")
    store.save("config", "second")
    (store.directory / name).write_bytes(b'{"version": 7, "seal": "of tomorrow"}\n{}')

    with pytest.raises(EvenetError) as refused:
        store.refuse_newer()

    path = store.directory / name
    assert str(refused.value) == (
        f"{path} was written by a newer evenet: it has format 7, and this one understands formats up to "
        f"{store.format}. Nothing was changed. Install the newer evenet again; or move {store.directory} away, to "
        "start without what is stored there"
    )


def test_files_that_are_no_documents_are_nobodys_business(store: Store) -> None:
    store.save("config", 1)
    (store.directory / "sysctl.json").write_text('{"net/ipv4/ip_forward": ["0", ""]}')
    (store.directory / "events.jsonl").write_text('{"seq": 1, "version": 99}')
    (store.directory / ".config.json.new").write_text('{"version": 99')
    (store.directory / "directory.json").mkdir()

    store.refuse_newer()

    assert store.load("config") == 1


# -- copies -------------------------------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[], Store]:
    """Another run of an agent, on the same directories."""
    return lambda: Store(tmp_path / "state", tmp_path / "run" / "state")


def copy(store: Store) -> Path:
    return store.directory.parent / "run" / "state" / "config.json"


def test_what_the_disk_did_not_take_is_known_by_its_copy_until_a_reboot(copied: Callable[[], Store]) -> None:
    store = copied()
    store.save("config", "first")
    store.save("config", "second", durable=False)

    again = copied()
    assert again.load("config") == "second"
    assert (again.flaws, again.mendable) == ({}, True)

    copy(store).unlink()
    assert copied().load("config") == "first"


@pytest.mark.parametrize("both", [False, True])
def test_what_is_damaged_is_known_by_its_copy_and_mended(copied: Callable[[], Store], both: bool) -> None:
    store = copied()
    store.save("config", "first")
    store.save("config", "second")
    main(store).write_bytes(b"damaged")
    if both:
        previous(store).write_bytes(b"damaged")

    again = copied()
    assert again.load("config") == "second"
    assert str(copy(store)) in again.flaws["config"].text
    assert not again.flaws["config"].lost
    again.mend()

    assert (again.flaws, again.mendable) == ({}, False)
    copy(store).unlink()
    assert copied().load("config") == "second"


def test_a_copy_of_an_earlier_format_is_mended_in_the_present_one(tmp_path: Path) -> None:
    former = Store(tmp_path / "state", tmp_path / "run")
    former.save("config", {"interfaces": []})
    former.save("config", {"interfaces": ["eth0"]}, durable=False)
    steps = [{"config": renamed}]

    later = Store(tmp_path / "state", tmp_path / "run", steps)
    assert later.load("config") == {"ports": ["eth0"]}
    later.mend()

    assert Store(tmp_path / "state", steps=steps).load("config") == {"ports": ["eth0"]}


def test_what_somebody_else_stored_meanwhile_counts_for_more_than_the_copy(
    copied: Callable[[], Store], tmp_path: Path
) -> None:
    """An older evenet, which knows of no copies, was at work between two runs; it even took the config before back."""
    store = copied()
    store.save("config", "first")
    store.save("config", "second")
    older = Store(tmp_path / "state")

    for value in ("first", "third"):
        older.save("config", value)
        again = copied()
        assert again.load("config") == value
        assert (again.flaws, again.mendable) == ({}, False)


def test_a_disk_that_took_it_later_has_the_last_word(copied: Callable[[], Store], tmp_path: Path) -> None:
    store = copied()
    store.save("config", "first")
    store.save("config", "second", durable=False)
    store.save("config", "second")

    Store(tmp_path / "state").save("config", "first")

    assert copied().load("config") == "first"


@pytest.mark.parametrize("spoilt", [b"", b"damaged", b'{"version": 1, "sha256": ""}\n"forged"'])
def test_a_copy_that_is_damaged_gives_way_to_the_document(copied: Callable[[], Store], spoilt: bytes) -> None:
    store = copied()
    store.save("config", "first")
    copy(store).write_bytes(spoilt)

    again = copied()

    assert again.load("config") == "first"
    assert again.flaws == {}


def test_a_copy_that_cannot_be_written_is_gone_and_costs_the_document_nothing(
    copied: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = copied()
    store.save("config", "first")
    real = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target == copy(store):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="No space left"):
            store.save("config", "second")

    assert not copy(store).exists()
    assert copied().load("config") == "second"


def test_a_copy_of_a_newer_evenet_is_refused_too(copied: Callable[[], Store]) -> None:
    store = copied()
    store.save("config", "first")
    copy(store).write_text('{"version": 99}')

    with pytest.raises(EvenetError, match="newer evenet"):
        copied().refuse_newer()


def test_copies_are_for_root_only_and_go_when_what_they_stand_for_is_gone(copied: Callable[[], Store]) -> None:
    store = copied()
    store.save("config", {"password": "secret"})
    assert copy(store).stat().st_mode & 0o777 == 0o600
    assert copy(store).parent.stat().st_mode & 0o777 == 0o700

    store.drop_copies()
    store.save("config", "later")

    assert not copy(store).parent.exists()
    assert copied().load("config") == "later"


# -- disks --------------------------------------------------------------------------------------------


def test_a_disk_that_stays_full_does_not_cost_the_generation_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does half a file keep the room that is missing."""
    store.save("config", "first")
    store.save("config", "second")

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                store.save("config", "third")

    assert {path.name for path in store.directory.iterdir()} == {"config.json", "config.json.previous"}
    assert store.load("config") == "second"
    main(store).write_bytes(b"damaged")
    assert store.load("config") == "first"


def test_a_document_that_cannot_be_read_is_damaged_and_is_replaced(store: Store) -> None:
    store.save("config", "first")
    store.save("config", "second")
    main(store).unlink()
    main(store).symlink_to(main(store).name)  # a loop: opening it fails

    assert store.load("config") == "first"
    assert "is unreadable (Too many levels of symbolic links)" in store.flaws["config"].text
    assert store.flaws["config"].lost
    store.save("config", "third")

    assert store.load("config") == "third"
    assert store.flaws == {}


def test_a_directory_that_is_not_there_is_no_reason_not_to_start(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    store = Store(file / "state")

    store.refuse_newer()
    assert store.load("config") is None
    with pytest.raises(OSError, match="File exists"):
        store.save("config", 1)
    file.unlink()
    store.save("config", 1)

    assert store.load("config") == 1


# -- crashes ------------------------------------------------------------------------------------------


class Crash(BaseException):
    """Power is lost."""


class Kernel:
    """Counts what is asked of it, and is there no more after so many calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.last = 10**6
        for name in ("open", "fsync", "fchmod", "replace", "rename", "link", "unlink"):
            self._wrap(monkeypatch, os, name)

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **more: Any) -> Any:
            self.calls += 1
            if self.calls > self.last:
                raise Crash
            return real(*arguments, **more)

        monkeypatch.setattr(owner, name, call)


def test_a_crash_at_any_moment_leaves_the_new_value_or_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(monkeypatch)
    outcomes = []
    for last in range(100):
        store = Store(tmp_path / str(last))
        kernel.last = 10**6
        store.save("config", "zeroth")
        store.save("config", "first")
        kernel.calls, kernel.last = 0, last
        try:
            store.save("config", "second")
        except Crash:
            pass
        else:
            outcomes.append("done")
        kernel.last = 10**6

        outcomes.append(Store(store.directory).load("config"))
        store.save("config", "third")  # what a crash leaves behind is in nobody's way
        assert store.load("config") == "third"
        if outcomes[-2:-1] == ["done"]:
            break

    *crashed, done, last_value = outcomes
    assert (done, last_value) == ("done", "second")
    assert len(crashed) > 6
    assert crashed == sorted(crashed)
    assert set(crashed) == {"first", "second"}


def test_a_crash_at_the_first_save_leaves_the_value_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch)
    for last in range(20):
        store = Store(tmp_path / str(last))
        kernel.calls, kernel.last = 0, last
        try:
            store.save("config", "first")
        except Crash:
            assert store.load("config") in (None, "first")
        kernel.last = 10**6


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses_says_so_and_what_was_stored_still_is(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    store.save("config", "first")

    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match=os.strerror(code)):
            store.save("config", "second")

    assert store.load("config") == "first"


def test_a_value_is_on_the_disk_before_its_name_is(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a name could outlive a crash that its content does not."""
    steps: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor: int) -> None:
        steps.append("sync")
        real_sync(descriptor)

    def rename(old: Path, new: Path) -> None:
        steps.append(new.name)
        real_replace(old, new)

    store.save("config", "first")
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", rename)

    store.save("config", "second")

    assert steps == ["sync", "config.json.previous", "config.json", "sync"]
