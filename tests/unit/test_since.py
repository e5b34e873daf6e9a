"""Since when facts hold: coming and going, carrier, and a bound on what is remembered."""

from __future__ import annotations

from dataclasses import replace

from evenet_core.model.facts import LinkFact
from evenet_core.runtime.facthub import FactHub
from evenet_core.runtime.since import KEPT, Since
from tests.support.virtual import run_virtual

LINK = LinkFact(index=1, mac="02:00:00:00:00:01", mtu=1500, up=True, carrier=True)
DEAD = replace(LINK, carrier=False)


def test_a_carrier_is_lost_since_it_went_whatever_else_of_the_link_changes_later() -> None:
    since = Since()
    since.note("link:eth0", None, LINK, 1.0)
    since.note("link:eth0", LINK, DEAD, 2.0)

    since.note("link:eth0", DEAD, replace(DEAD, mtu=1400), 3.0)

    assert since.carrier("link:eth0") == 2.0
    assert since.presence("link:eth0") == 1.0
    assert since.changed("link:eth0") == 3.0


def test_what_is_gone_is_gone_since_the_last_of_its_names_went() -> None:
    since = Since()
    since.note("link:eth0", None, LINK, 1.0)
    since.note("link:eth0", LINK, None, 2.0)
    since.note("link:keth0", None, LINK, 2.5)
    since.note("link:keth0", LINK, None, 4.0)

    assert since.presence("link:eth0", "link:keth0", "link:never") == 4.0
    assert since.presence("link:never") is None


def test_links_that_come_and_go_without_end_do_not_fill_the_memory() -> None:
    since = Since()
    since.note("link:stays", None, LINK, 0.0)

    for number in range(3 * KEPT):
        since.note(f"link:veth{number}", None, LINK, float(number))
        since.note(f"link:veth{number}", LINK, None, float(number))

    assert since.presence("link:veth0") is None
    assert since.presence(f"link:veth{3 * KEPT - 1}") == 3 * KEPT - 1
    assert since.presence("link:stays") == 0.0


def test_the_hub_notes_every_fact_that_changes_and_none_that_does_not() -> None:
    async def story() -> None:
        hub = FactHub(lambda names: None)
        hub.put("link:eth0", LINK)
        noted = hub.since.changed("link:eth0")
        assert noted is not None
        hub.since.note("link:eth0", LINK, LINK, noted - 1)

        hub.put("link:eth0", replace(LINK))

        assert hub.since.changed("link:eth0") == noted - 1, "the same value is no news"

    run_virtual(story())
