"""Plugins: who is in charge, and what a bad one costs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from evenet_core.errors import NotSupported, PluginError
from evenet_core.hookspecs import Context, PluginInfo, PortDevice, PortIdentity, PortQuirks, hookimpl
from evenet_core.linux.link import PortLink
from evenet_core.model.adapters import Adapter
from evenet_core.model.ports import PortKind
from evenet_core.plugins import Found, Plugins
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.item import Change, Driver, Item, ItemKey, Outcome, Requires

UPLINK = Adapter(label="uplink0", ifname="eth0")
NIC = PortDevice(ifname="eth0", mac="02:00:00:00:00:01", driver="acme")
NOTHING = Facts({})


class Good:
    """In charge of every link."""

    @hookimpl
    def evenet_plugin_info(self) -> PluginInfo:
        return PluginInfo(name="good", version="1", capabilities=("link.ethernet",))

    @hookimpl
    def evenet_plan_link(self, adapter: Adapter) -> list[Item] | None:
        return [PortLink(adapter.ifname)]


class Silent:
    """In charge of nothing."""

    @hookimpl
    def evenet_plugin_info(self) -> PluginInfo:
        return PluginInfo(name="silent", version="1")


def plugins(*found: tuple[str, Any], disabled: Sequence[str] = ()) -> Plugins:
    return Plugins(disabled, [Found(name, plugin, f"dist-{name} 1") for name, plugin in found])


def context(plugin: str) -> Context:
    return Context(rtnl=cast(Any, None), run_dir=Path("/nowhere"), state_dir=Path("/nowhere"), settings={"for": plugin})


def described(found: Plugins, name: str) -> dict[str, Any]:
    return next(one for one in found.describe() if one["name"] == name)


def test_items_are_those_of_the_plugin_in_charge() -> None:
    answer = plugins(("silent", Silent()), ("good", Good())).plan_link(UPLINK, NOTHING)

    assert (answer.items, answer.plugin, answer.error) == ((PortLink("eth0"),), "good", None)


def test_nobody_in_charge_is_no_error() -> None:
    answer = plugins(("silent", Silent())).plan_link(UPLINK, NOTHING)

    assert (answer.items, answer.error) == (None, None)


@dataclass(frozen=True, slots=True)
class Odd(Item):
    """An item with a fault in this property."""

    kind: ClassVar[str] = "odd"
    fault: str

    @property
    def key(self) -> ItemKey:
        if self.fault == "key":
            raise RuntimeError("key")
        return ItemKey((self.kind, self.fault))

    @property
    def requires(self) -> tuple[Requires, ...]:
        raise RuntimeError("requires")


def fails(adapter: Adapter) -> Any:
    return dict[str, Any]()["lost"]


def leaves(adapter: Adapter) -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("hook", "complaint"),
    [
        (fails, "plugin bad: evenet_plan_link failed for adapter uplink0: KeyError: 'lost'"),
        (leaves, "plugin bad: evenet_plan_link failed for adapter uplink0: SystemExit: 3"),
        (
            lambda adapter: {},
            "plugin bad: evenet_plan_link returned dict for adapter uplink0; expected list[Item] or None",
        ),
        (
            lambda adapter: ["eth0"],
            "plugin bad: evenet_plan_link returned list for adapter uplink0; expected list[Item] or None",
        ),
        (
            lambda adapter: [Odd("key")],
            "plugin bad: evenet_plan_link returned a broken Odd (RuntimeError: key) for adapter uplink0; "
            "expected list[Item] or None",
        ),
        (
            lambda adapter: [Odd("requires")],
            "plugin bad: evenet_plan_link returned a broken Odd (RuntimeError: requires) for adapter uplink0; "
            "expected list[Item] or None",
        ),
        (
            lambda adapter: [PortLink(cast(Any, ["eth0"]))],
            "plugin bad: evenet_plan_link returned a broken PortLink (TypeError: unhashable type: 'list') for adapter "
            "uplink0; expected list[Item] or None",
        ),
    ],
)
def test_a_bad_answer_is_an_error_of_that_object_that_names_the_plugin(
    hook: Callable[[Adapter], Any], complaint: str
) -> None:
    class Bad(Silent):
        @hookimpl
        def evenet_plan_link(self, adapter: Adapter) -> Any:
            return hook(adapter)

    answer = plugins(("bad", Bad())).plan_link(UPLINK, NOTHING)

    assert (answer.items, answer.plugin, str(answer.error)) == (None, "bad", complaint)


def test_after_a_bad_plugin_the_next_one_is_asked() -> None:
    class Bad(Silent):
        @hookimpl(tryfirst=True)
        def evenet_plan_link(self, adapter: Adapter) -> list[Item] | None:
            raise RuntimeError("no")

    answer = plugins(("bad", Bad()), ("good", Good())).plan_link(UPLINK, NOTHING)

    assert (answer.items, answer.plugin, answer.error) == ((PortLink("eth0"),), "good", None)


def test_what_a_plugin_cannot_do_yet_is_said_in_its_own_words() -> None:
    class Honest(Silent):
        @hookimpl
        def evenet_plan_link(self, adapter: Adapter) -> list[Item] | None:
            raise NotSupported(f"{adapter.label} needs a longer cable")

    answer = plugins(("honest", Honest())).plan_link(UPLINK, NOTHING)

    assert str(answer.error) == "uplink0 needs a longer cable"


def test_a_slow_hook_is_reported_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("evenet_core.plugins.SLOW", -1.0)
    found = plugins(("good", Good()))

    with caplog.at_level(logging.WARNING, "evenet_core.plugins"):
        found.plan_link(UPLINK, NOTHING)
        found.plan_link(UPLINK, NOTHING)

    [record] = caplog.records
    assert record.getMessage().startswith("plugin good: evenet_plan_link took")


def test_two_plugins_of_one_name_are_refused_naming_both() -> None:
    found = [Found("good", Good(), "evenet-good 1"), Found("good", Good(), "other-good 2")]

    with pytest.raises(PluginError, match=r"evenet-good 1 and by other-good 2: uninstall one"):
        Plugins(found=found)


class Link:
    """A driver for one kind."""

    kinds: tuple[str, ...] = ("made-up",)

    async def observe(self) -> Sequence[Item]:
        return []

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        return [Outcome(change) for change in changes]


class Brings:
    def __init__(self, name: str, *drivers: Any) -> None:
        self.name = name
        self.brought = drivers

    @hookimpl
    def evenet_plugin_info(self) -> PluginInfo:
        return PluginInfo(name=self.name, version="1")

    @hookimpl
    def evenet_drivers(self, context: Context) -> Sequence[Driver]:
        assert context.settings == {"for": self.name}
        return list(self.brought)


def test_two_drivers_for_one_kind_are_refused_naming_both() -> None:
    found = plugins(("one", Brings("one", Link())), ("two", Brings("two", Link())))

    with pytest.raises(PluginError, match=r"^plugin (one|two): .* kind made-up, which (one|two) has already"):
        found.drivers(context)


def test_a_driver_of_the_core_cannot_be_taken_over() -> None:
    with pytest.raises(PluginError, match="kind made-up, which evenet has already"):
        plugins(("one", Brings("one", Link()))).drivers(context, [cast(Driver, Link())])


def test_drivers_follow_those_of_the_core_and_their_kinds_are_shown() -> None:
    mine, core = Link(), Link()
    mine.kinds, core.kinds = ("sat-link", "sat-terminal"), ("link",)
    found = plugins(("sat", Brings("sat", mine)))

    assert found.drivers(context, [cast(Driver, core)]) == [core, mine]
    assert described(found, "sat")["kinds"] == ["sat-link", "sat-terminal"]


def test_a_hook_for_the_whole_node_that_fails_is_shown_and_costs_its_plugin_only() -> None:
    class Bad(Silent):
        @hookimpl
        def evenet_monitors(self, context: Context) -> Any:
            raise OSError("no radio")

        @hookimpl
        def evenet_probes(self) -> Any:
            return ["icmp"]

    class Better(Silent):
        @hookimpl
        def evenet_monitors(self, context: Context) -> Any:
            return ["a monitor"]

        @hookimpl
        def evenet_probes(self) -> Mapping[str, Any]:
            return {"icmp": "a probe"}

    found = plugins(("bad", Bad()), ("better", Better()))

    assert cast(Any, found.monitors(context)) == ["a monitor"]
    assert described(found, "bad")["error"] == "plugin bad: evenet_monitors failed: OSError: no radio"
    assert found.probes() == {"icmp": "a probe"}
    assert described(found, "bad")["error"] == (
        "plugin bad: evenet_probes returned list; expected a mapping of names to probes"
    )
    assert described(found, "better")["error"] is None


@pytest.mark.parametrize(
    ("plugin", "why"),
    [
        (SimpleNamespace(evenet_plugin_info=lambda: {"name": "x"}), "evenet_plugin_info returned dict; expected"),
        (
            SimpleNamespace(evenet_plugin_info=lambda: PluginInfo(name="x", version="1", api_version=99)),
            "was written for plugin API 99; this is 1",
        ),
        (SimpleNamespace(), "cannot be used: 'types.SimpleNamespace' object has no attribute 'evenet_plugin_info'"),
    ],
)
def test_a_plugin_that_does_not_fit_is_left_out_and_says_why(plugin: Any, why: str) -> None:
    found = plugins(("x", plugin), ("good", Good()))

    assert described(found, "x")["error"].startswith(why)
    assert found.plan_link(UPLINK, NOTHING).plugin == "good"


def test_a_hook_that_does_not_exist_is_refused() -> None:
    class Misspelt(Good):
        @hookimpl
        def evenet_plan_lnk(self, adapter: Adapter) -> list[Item] | None:
            return None

    found = plugins(("misspelt", Misspelt()))

    assert "evenet_plan_lnk" in described(found, "misspelt")["error"]
    assert found.plan_link(UPLINK, NOTHING).items is None


def test_a_plugin_switched_off_is_not_asked_but_shown() -> None:
    found = plugins(("good", Good()), disabled=["good"])

    assert found.plan_link(UPLINK, NOTHING).items is None
    assert described(found, "good") | {"error": "", "distribution": ""} == {
        "name": "good",
        "version": None,
        "distribution": "",
        "summary": None,
        "capabilities": [],
        "hooks": [],
        "kinds": [],
        "error": "",
    }
    assert described(found, "good")["error"] == "switched off in the settings"


def test_what_is_installed_is_found_with_who_brought_it() -> None:
    found = {one["name"]: one for one in Plugins(disabled=["wifi"]).describe()}

    assert {"ethernet", "dhcp", "cellular", "wifi"} <= found.keys()
    assert found["ethernet"]["distribution"].startswith("evenet-ethernet ")
    assert found["ethernet"]["error"] is None
    assert found["wifi"]["error"] == "switched off in the settings"


def test_a_port_is_what_the_most_knowing_plugin_says() -> None:
    found = Plugins()
    radio = PortDevice(ifname="wlan0", mac="02:00:00:00:00:02", properties={"DEVTYPE": "wlan"})
    modem = PortDevice(ifname="wwan0", properties={"DEVTYPE": "wwan"})

    kinds = [identity.kind if identity else None for identity in map(found.identify, (NIC, radio, modem))]

    assert kinds == [PortKind.ETHERNET, PortKind.WIFI, PortKind.CELLULAR]
    assert found.identify(PortDevice(ifname="lo")) is None


def test_quirks_of_all_plugins_count_and_nonsense_does_not() -> None:
    class Knows(Silent):
        @hookimpl
        def evenet_port_quirks(self, device: PortDevice, identity: PortIdentity) -> PortQuirks | None:
            return (
                PortQuirks(reason="acme cards lose frames", offloads_off=("tso",)) if device.driver == "acme" else None
            )

    class Nonsense(Silent):
        @hookimpl
        def evenet_port_quirks(self, device: PortDevice) -> Any:
            return "tso"

    found = plugins(("knows", Knows()), ("nonsense", Nonsense()))

    assert found.quirks(NIC, PortIdentity(kind=PortKind.ETHERNET)) == [
        ("knows", PortQuirks(reason="acme cards lose frames", offloads_off=("tso",)))
    ]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("tso", "str; expected PortQuirks or None"),
        (PortQuirks(reason=cast(Any, None)), "Expected `str`, got `null` - at `$.reason`"),
        (PortQuirks(reason="x", offloads_off=cast(Any, "tso")), "Expected `array`, got `str` - at `$.offloads_off`"),
        (
            PortQuirks(reason="x", offloads_off=cast(Any, (object(),))),
            "object has no plain form",
        ),
    ],
)
def test_quirks_that_are_none_are_shown_with_their_plugin(answer: Any, complaint: str) -> None:
    class Nonsense(Silent):
        @hookimpl
        def evenet_port_quirks(self, device: PortDevice) -> Any:
            return answer

    found = plugins(("nonsense", Nonsense()))

    assert found.quirks(NIC, PortIdentity(kind=PortKind.ETHERNET)) == []
    words = f"plugin nonsense: evenet_port_quirks returned for eth0: {complaint}"
    assert described(found, "nonsense")["error"] == words


def test_a_device_that_one_plugin_fails_at_is_shown_to_the_next() -> None:
    class Fails(Silent):
        @hookimpl(tryfirst=True)
        def evenet_identify_port(self, device: PortDevice) -> Any:
            raise OSError("no such bus")

    class Knows(Silent):
        @hookimpl
        def evenet_identify_port(self, device: PortDevice) -> PortIdentity:
            return PortIdentity(kind=PortKind.WIFI)

    found = plugins(("fails", Fails()), ("knows", Knows()))

    assert found.identify(NIC) == PortIdentity(kind=PortKind.WIFI)
    words = "plugin fails: evenet_identify_port failed for eth0: OSError: no such bus"
    assert described(found, "fails")["error"] == words


@pytest.mark.parametrize(
    ("kind", "words"),
    [(PortKind.WIFI, "WiFi adapter uplink0 cannot join a network"), (PortKind.CELLULAR, "cellular adapter uplink0")],
)
def test_radios_say_that_they_are_not_used_yet(kind: PortKind, words: str) -> None:
    answer = Plugins().plan_link(Adapter(label="uplink0", ifname="radio0", kind=kind), NOTHING)

    assert isinstance(answer.error, NotSupported)
    assert words in str(answer.error)
