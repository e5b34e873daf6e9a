"""The nftables driver against nft: transactions, observation, drift, and one bad apple."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from evenet_core.linux.nft import NftChain, NftElement, NftSet, NftTable
from evenet_core.linux.nftdriver import NftDriver
from evenet_core.linux.process import Completed
from evenet_core.reconciler.item import Change, Item, Op
from tests.support.kernel import create, delete, run, update

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

BODY = """
map egress { type ifname : verdict; }
map forwards4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
set recent { type ipv4_addr; flags timeout; }
chain pre {
    type filter hook prerouting priority -300; policy accept;
    iifname vmap @egress
    ct state invalid drop
}
"""
TABLE = NftTable("inet", "evenet", BODY)
CHAIN = NftChain("inet", "evenet", "out-nbu1x1", ("ip daddr 10.0.0.0/8 accept", "limit rate over 5/second drop"))
JUMP = NftElement("inet", "evenet", "egress", "nbu1x1", "jump out-nbu1x1")
FORWARD = NftElement("inet", "evenet", "forwards4", "172.22.10.5 . tcp . 2223", "10.50.0.2 . 22")
ALL: list[Item] = [TABLE, CHAIN, JUMP, FORWARD]
NAMES = NftSet("inet", "evenet", "host4-0123456789abcdef", "ipv4_addr", 3600)
LOOK = NftChain("inet", "evenet", "look", (f"ip daddr @{NAMES.name} accept",), sets=(NAMES.name,))


async def there() -> set[Item]:
    return set(await NftDriver().observe())


def test_what_is_made_is_observed_as_it_was_asked_for() -> None:
    async def story() -> None:
        driver = NftDriver()
        await create(driver, *ALL)
        assert await there() == set(ALL)
        await create(driver, *ALL[1:])
        assert await there() == set(ALL)
        await delete(driver, JUMP, CHAIN)
        assert await there() == {TABLE, FORWARD}
        await delete(driver, JUMP, CHAIN, TABLE)
        assert await there() == set()
        assert run("nft", "list", "ruleset") == ""

    asyncio.run(story())


def test_changes_of_chains_and_elements_take_effect() -> None:
    async def story() -> None:
        driver = NftDriver()
        await create(driver, *ALL)
        other = NftChain("inet", "evenet", "out-nbu1x1", ("tcp dport 80 drop",))
        moved = NftElement("inet", "evenet", "forwards4", "172.22.10.5 . tcp . 2223", "10.50.0.3 . 22")
        await update(driver, CHAIN, other)
        await update(driver, FORWARD, moved)
        assert await there() == {TABLE, other, JUMP, moved}

    asyncio.run(story())


def test_a_new_table_keeps_what_is_in_it_also_after_a_restart() -> None:
    async def story() -> None:
        await create(NftDriver(), *ALL)
        grown = NftTable("inet", "evenet", BODY + "set more { type ipv4_addr; }\n")
        later = NftDriver()
        await later.observe()

        await update(later, TABLE, grown)

        assert await there() == {grown, CHAIN, JUMP, FORWARD}
        assert "ip daddr 10.0.0.0/8 accept" in run("nft", "list", "chain", "inet", "evenet", "out-nbu1x1")

    asyncio.run(story())


def test_a_new_table_does_not_need_what_somebody_else_put_into_the_old_one() -> None:
    async def story() -> None:
        driver = NftDriver()
        await create(driver, *ALL)
        run("nft", "add element inet evenet egress { eth9 : continue }")  # no element of ours says so
        await driver.observe()

        await update(driver, TABLE, NftTable("inet", "evenet", BODY + "set more { type ipv4_addr; }\n"))

        assert {CHAIN, JUMP, FORWARD} <= await there()
        assert "eth9" not in run("nft", "list", "map", "inet", "evenet", "egress")

    asyncio.run(story())


def test_a_table_whose_chains_cannot_be_read_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        await create(NftDriver(), *ALL)
        later = NftDriver()
        await later.observe()
        before = run("nft", "list", "ruleset")
        real = later._nft

        async def busy(arguments: Sequence[str]) -> Completed:
            return Completed(1, b"", b"Error: busy") if "-s" in arguments else await real(arguments)

        monkeypatch.setattr(later, "_nft", busy)
        grown = NftTable("inet", "evenet", BODY + "set more { type ipv4_addr; }\n")
        [outcome] = await later.apply([Change(Op.UPDATE, TABLE, grown)])

        assert str(outcome.error) == "nft: Error: busy"
        assert run("nft", "list", "ruleset") == before

    asyncio.run(story())


def test_a_set_that_a_resolver_fills_is_observed_without_what_is_in_it() -> None:
    async def story() -> None:
        driver = NftDriver()
        await create(driver, *ALL, LOOK, NAMES)
        run("nft", f"add element inet evenet {NAMES.name} {{ 192.0.2.7 }}")
        assert await there() == {*ALL, LOOK, NAMES}

        await delete(driver, NAMES, LOOK)

        assert await there() == set(ALL)

    asyncio.run(story())


def test_a_new_table_keeps_its_sets_and_the_chains_that_look_into_them() -> None:
    async def story() -> None:
        await create(NftDriver(), *ALL, NAMES, LOOK)
        grown = NftTable("inet", "evenet", BODY + "set more { type ipv4_addr; }\n")
        later = NftDriver()
        await later.observe()

        await update(later, TABLE, grown)

        assert await there() == {grown, CHAIN, JUMP, FORWARD, NAMES, LOOK}

    asyncio.run(story())


def test_one_bad_change_fails_alone_with_nfts_own_words() -> None:
    async def story() -> None:
        driver = NftDriver()
        bad = NftChain("inet", "evenet", "bad", ("no such thing",))
        ugly = NftElement("inet", "evenet", "egress", 'x" : accept } ; flush ruleset', "accept")
        missing = NftElement("inet", "evenet", "nowhere", "nbu9x9", "accept")
        changes = [Change(Op.CREATE, None, item) for item in (*ALL, bad, ugly, missing)]

        outcomes = await driver.apply(changes)

        errors = [str(o.error) for o in outcomes[4:]]
        assert [o.error for o in outcomes[:4]] == [None] * 4
        assert errors[0].startswith("nft: syntax error")
        assert "cannot stand in a firewall rule" in errors[1]
        assert errors[2] == "nft: No such file or directory"
        assert await there() == set(ALL)

    asyncio.run(story())


@pytest.mark.parametrize(
    "damage",
    [
        "flush chain inet evenet out-nbu1x1",
        "add rule inet evenet out-nbu1x1 accept",
        "insert rule inet evenet pre accept",
        "delete element inet evenet egress { nbu1x1 }",
        "flush chain inet evenet pre",
    ],
)
def test_what_another_hand_changes_is_seen_and_can_be_repaired(damage: str) -> None:
    async def story() -> None:
        await create(NftDriver(), *ALL)
        run("nft", damage)
        driver = NftDriver()
        found = {item.key: item for item in await driver.observe()}
        assert set(found.values()) != set(ALL)

        for item in ALL:
            if item.key not in found:
                await create(driver, item)
            elif found[item.key] != item:
                await update(driver, found[item.key], item)

        assert await there() == set(ALL)

    asyncio.run(story())


def test_tables_of_others_are_neither_seen_nor_touched() -> None:
    run("nft", "add table inet other; add chain inet other c { type filter hook input priority 0; }")

    async def story() -> None:
        await create(NftDriver(), *ALL)
        assert await there() == set(ALL)
        await delete(NftDriver(), TABLE)
        assert "table inet other" in run("nft", "list", "tables")

    asyncio.run(story())
