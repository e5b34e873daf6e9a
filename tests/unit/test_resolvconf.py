"""The node's resolver file: ours by its mark, and whatever stood there before comes back as it was."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenet_core.linux.resolvconf import ALONE, MARK, ResolvConf, ResolvConfDriver
from evenet_core.reconciler.item import Change, Op
from tests.support.kernel import create, delete, update

THEIRS = "# by hand\nnameserver 192.0.2.53\noptions edns0\n"


class Site:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "etc" / "resolv.conf"
        self.state = directory / "state"
        self.path.parent.mkdir()
        self.state.mkdir()

    @property
    def driver(self) -> ResolvConfDriver:
        """As each agent has its own, also after a restart."""
        return ResolvConfDriver(self.path, self.state)

    def item(self, *servers: str, search: tuple[str, ...] = ()) -> ResolvConf:
        return ResolvConf(str(self.path), servers or ("127.0.0.1",), search)

    def create(self, *servers: str) -> None:
        asyncio.run(create(self.driver, self.item(*servers)))

    def delete(self) -> None:
        asyncio.run(delete(self.driver, self.item()))

    def observe(self) -> list[Any]:
        return list(asyncio.run(self.driver.observe()))

    def left(self) -> list[str]:
        return sorted(path.name for directory in (self.path.parent, self.state) for path in directory.iterdir())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# -- writing ------------------------------------------------------------------------------------------


def test_the_file_says_what_the_item_says(site: Site) -> None:
    asyncio.run(create(site.driver, site.item("127.0.0.1", "::1", search=("a.test", "b.test"))))

    assert site.path.read_text() == f"{ALONE}nameserver 127.0.0.1\nnameserver ::1\nsearch a.test b.test\n"
    assert site.path.stat().st_mode & 0o777 == 0o644
    assert site.left() == ["resolv.conf"]


def test_the_mark_says_that_something_was_there(site: Site) -> None:
    site.path.write_text(THEIRS)

    site.create()
    site.create("::1")

    assert site.path.read_text() == f"{MARK}nameserver ::1\n"


def test_what_was_written_is_observed(site: Site) -> None:
    wanted = site.item("127.0.0.1", search=("a.test",))
    asyncio.run(create(site.driver, wanted))

    assert site.observe() == [wanted]


@pytest.mark.parametrize("text", [None, "", THEIRS, f"\n{MARK}"])
def test_a_file_without_our_mark_is_not_ours(site: Site, text: str | None) -> None:
    if text is not None:
        site.path.write_text(text)

    assert site.observe() == []


@pytest.mark.parametrize(
    "spoil",
    [lambda text: f"{text}nameserver 6.6.6.6\n", lambda text: text[:-1], lambda text: text.replace("127", "128")],
)
def test_a_file_of_ours_that_somebody_altered_is_not_what_we_want(site: Site, spoil: Any) -> None:
    site.create()
    site.path.write_text(spoil(site.path.read_text()))

    [found] = site.observe()

    assert found != site.item()
    assert found.key == site.item().key


def test_another_version_replaces_the_file_as_a_whole(site: Site) -> None:
    site.path.write_text(THEIRS)
    site.create()
    reader = os.open(site.path, os.O_RDONLY)
    before = os.stat(site.path)

    asyncio.run(update(site.driver, site.item(), site.item("::1")))

    assert os.fstat(reader).st_size == before.st_size, "whoever reads the old file reads it to its end"
    os.close(reader)
    assert site.observe() == [site.item("::1")]


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    driver = ResolvConfDriver(tmp_path / "none" / "resolv.conf", tmp_path)
    item = ResolvConf(str(tmp_path / "none" / "resolv.conf"), ("127.0.0.1",))

    [outcome] = asyncio.run(driver.apply([Change(Op.CREATE, None, item)]))

    assert str(outcome.error) == f"{tmp_path}/none/resolv.conf: No such file or directory"


# -- giving back --------------------------------------------------------------------------------------


def test_the_file_from_before_comes_back(site: Site) -> None:
    site.path.write_text(THEIRS)
    site.create()
    site.create("::1")

    site.delete()

    assert site.path.read_text() == THEIRS
    assert site.left() == ["resolv.conf"]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200).filter(lambda data: not data.startswith(MARK.encode())))
def test_whatever_bytes_stood_there_come_back(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    site = Site(tmp_path_factory.mktemp("bytes"))
    site.path.write_bytes(data)
    site.create()

    site.delete()

    assert site.path.read_bytes() == data


def test_where_there_was_no_file_there_is_none_again(site: Site) -> None:
    site.create()

    site.delete()

    assert site.left() == []


def test_the_file_comes_back_with_its_mode(site: Site) -> None:
    site.path.write_text(THEIRS)
    site.path.chmod(0o640)
    site.create()

    site.delete()

    assert site.path.stat().st_mode & 0o777 == 0o640


def test_ours_stays_and_says_why_where_the_one_before_is_lost(site: Site) -> None:
    site.path.write_text(THEIRS)
    site.create()
    (site.state / "resolv.conf.original").unlink()
    before = site.path.read_text()

    [outcome] = asyncio.run(site.driver.apply([Change(Op.DELETE, site.item(), None)]))

    assert "the file found before is lost with" in str(outcome.error)
    assert site.path.read_text() == before


@pytest.mark.parametrize("target", ["../run/stub-resolv.conf", "/nowhere/resolv.conf"])
def test_a_link_comes_back_as_a_link(site: Site, target: str) -> None:
    """As systemd-resolved and others have it; a copy of the file behind it would never change again."""
    (site.path.parent.parent / "run").mkdir()
    behind = site.path.parent.parent / "run" / "stub-resolv.conf"
    behind.write_text(THEIRS)
    site.path.symlink_to(target)

    site.create()
    assert not site.path.is_symlink()
    site.create("::1")
    site.delete()

    assert os.readlink(site.path) == target
    assert behind.read_text() == THEIRS, "the file behind a link is somebody else's"
    assert site.left() == ["resolv.conf"]


def test_a_link_to_a_file_of_ours_is_not_ours(site: Site, tmp_path: Path) -> None:
    (tmp_path / "other").write_text(site.item().text)
    site.path.symlink_to(tmp_path / "other")

    assert site.observe() == []


def test_what_somebody_wrote_instead_of_ours_stays(site: Site) -> None:
    site.path.write_text(THEIRS)
    site.create()
    site.path.write_text("nameserver 9.9.9.9\n")

    site.delete()

    assert site.path.read_text() == "nameserver 9.9.9.9\n"
    assert site.left() == ["resolv.conf"]


def test_a_link_that_somebody_put_instead_of_ours_stays(site: Site) -> None:
    site.path.write_text(THEIRS)
    site.create()
    site.path.unlink()
    site.path.symlink_to("/run/stub")

    site.delete()

    assert os.readlink(site.path) == "/run/stub"


def test_what_somebody_wrote_instead_of_ours_is_what_comes_back_later(site: Site) -> None:
    site.path.write_text(THEIRS)
    site.create()
    site.path.write_text("nameserver 9.9.9.9\n")
    site.create()

    site.delete()

    assert site.path.read_text() == "nameserver 9.9.9.9\n"


def test_a_file_that_somebody_removed_comes_back_as_it_was_before_ours(site: Site) -> None:
    site.path.write_text(THEIRS)
    site.create()
    site.path.unlink()

    site.delete()

    assert site.path.read_text() == THEIRS


def test_what_was_kept_in_earlier_times_does_not_come_back(site: Site) -> None:
    """A crash right after giving back leaves the copy behind."""
    (site.state / "resolv.conf.original").write_text("of long ago")
    site.create()

    site.delete()

    assert site.left() == []


def test_deleting_twice_is_deleting_once(site: Site) -> None:
    site.path.write_text(THEIRS)
    site.create()

    site.delete()
    site.delete()

    assert site.path.read_text() == THEIRS
