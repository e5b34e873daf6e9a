"""The picture of a node: every item once, in its state; valid XML whatever things are called; folded when large."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from evenet_core.cli.picture import draw
from evenet_core.cli.picture.layout import WIDTH, arrange
from evenet_core.cli.picture.objects import read_objects

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</title><script>alert("&")</script>\x00\x1b\ud800\ufffe\n]]><!--'
SIGNS = {"in-sync": "#s", "pending": "#p", "failed": "#f"}


def item(key: str, owner: str, *requires: str, state: str = "in-sync", **more: Any) -> dict[str, Any]:
    return {
        "key": key,
        "kind": key.partition(":")[0],
        "description": f"the {key}",
        "object": owner,
        "plugin": "test",
        "state": state,
        "requires": list(requires),
        **more,
    }


def graph(*items: dict[str, Any], missing: tuple[str, ...] = ()) -> dict[str, Any]:
    planned = {one["key"] for one in items}
    outside = dict.fromkeys(key for one in items for key in one["requires"] if key not in planned)
    external = [
        {"key": key, "name": f"the {key}", "state": "missing" if key in missing else "there", "because": None}
        for key in outside
    ]
    return {"time": "2026-01-01T00:00:00.000Z", "items": list(items), "external": external}


def large(instances: int = 10, apps: int = 10) -> list[dict[str, Any]]:
    """As many apps in each instance, ten items each."""
    found = [item("link:eth0", "adapter up", "port:eth0"), item("nft:t", "device")]
    for n in range(instances):
        instance = f"network instance ni{n}"
        found += [item(f"link:bn{n}", instance, "link:eth0", "nft:t")]
        found += [item(f"route:{n}-{i}", instance, f"link:bn{n}") for i in range(20)]
        for a in range(apps):
            owner = f"interface app{n}-{a}/lan"
            found += [item(f"nft:{n}-{a}-{i}", owner, "nft:t") for i in range(9)]
            found += [item(f"link:nbu{n}x{a}", owner, f"link:bn{n}", f"namespace:{n}-{a}")]
    return found


def drawn(document: dict[str, Any]) -> ET.Element:
    return ET.fromstring(draw(document))


def marks(picture: ET.Element) -> list[tuple[str, str]]:
    """First line of each item's tooltip, and its sign."""
    found = []
    for mark in (one for one in picture.iter() if (one.get("class") or "").split(" ")[0] == "i"):
        uses = mark if mark.tag == f"{SVG}use" else mark.find(f"{SVG}use")
        title = mark.findtext(f"{SVG}title") or ""
        sign = uses.get("href", "") if uses is not None else f"#{(mark.get('class') or '').split(' ')[1]}"
        found.append((title.splitlines()[0], sign))
    return found


def words(picture: ET.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


@pytest.mark.parametrize("document", [graph(*large(1, 2)), graph(*large())], ids=["small", "large"])
def test_every_item_is_there_once(document: dict[str, Any]) -> None:
    found = marks(drawn(document))

    assert sorted(found) == sorted((one["description"], "#s") for one in document["items"])


def test_each_state_has_a_sign_of_its_own_wherever_the_item_is_drawn() -> None:
    troubled = [item(f"route:{n}", "adapter up", state="pending" if n % 3 else "failed") for n in range(30)]
    document = graph(*troubled, item("link:eth0", "adapter up"), item("x:y", "device", state="whatever"))

    found = dict(marks(drawn(document)))

    assert found.pop("the x:y") == "#p"
    assert found == {one["description"]: SIGNS[one["state"]] for one in document["items"] if one["key"] != "x:y"}


def test_an_error_can_be_read_in_the_picture() -> None:
    failed = item(
        "link:eth0", "adapter up", state="failed", error="kernel: no such device", attempts=3, retry_at="10:00"
    )

    picture = drawn(graph(failed))

    assert "kernel: no such device" in words(picture)
    [title] = [t.text for t in picture.iter(f"{SVG}title") if (t.text or "").startswith("the link:eth0\n")]
    assert "kernel: no such device (tried 3 times, next at 10:00)" in str(title)


def test_what_is_missing_outside_is_told_from_what_is_there() -> None:
    picture = drawn(
        graph(item("link:a", "adapter a", "port:a"), item("link:b", "adapter b", "port:b"), missing=("port:b",))
    )

    assert {"the port:a", "the port:b: missing"} <= set(words(picture))
    assert sum(one.get("class") == "gone" for one in picture.iter(f"{SVG}rect")) == 2, "the legend has one too"


@pytest.mark.parametrize("field", ["key", "kind", "description", "object", "plugin", "error"])
def test_whatever_things_are_called_it_is_xml_and_nothing_of_it_is_markup(field: str) -> None:
    evil = item("link:eth0", "adapter up", "port:eth0", state="failed", error="no") | {field: HOSTILE}

    picture = drawn(graph(evil, *large(1, 1)))

    assert not list(picture.iter(f"{SVG}script"))
    assert len(marks(picture)) == len(large(1, 1)) + 1


def test_a_thousand_items_are_one_file_that_is_not_large_and_has_few_arrows() -> None:
    document = graph(*large())
    assert len(document["items"]) > 1000

    text = draw(document)

    assert len(text.encode()) < 1_000_000
    assert len([one for one in ET.fromstring(text).iter(f"{SVG}path") if one.get("class") in {"a", "b"}]) < 40


def test_when_there_is_much_what_is_well_is_folded_and_what_is_not_comes_first_and_in_full() -> None:
    document = graph(*large(), item("link:bad", "interface bad/lan", "link:bn3", state="failed", error="no"))

    objects = read_objects(document)
    picture = arrange(objects)

    first = min((b for b in picture.blocks if b.layer == 2), key=lambda block: (block.y, block.x))
    assert (first.folded, [objects[n].title for n in first.objects]) == (False, ["interface bad/lan"])
    assert all(block.folded for block in picture.blocks if block is not first and block.layer)


def test_no_box_lies_on_another() -> None:
    blocks = arrange(read_objects(graph(*large(7, 9)))).blocks

    for number, one in enumerate(blocks):
        for other in blocks[number + 1 :]:
            beside = abs(one.x - other.x) >= WIDTH
            assert beside or one.y + one.height <= other.y or other.y + other.height <= one.y


def test_what_is_stood_on_is_to_the_left_and_arrows_that_others_imply_are_left_out() -> None:
    objects = read_objects(graph(*large(1, 1)))

    by_title = {one.title: one for one in objects}
    app, instance = by_title["interface app0-0/lan"], by_title["network instance ni0"]
    assert (app.layer, instance.layer, by_title["device"].layer) == (2, 1, 0)
    assert [objects[base].title for base in app.bases] == ["network instance ni0"], "the device is below that"


def test_objects_that_require_each_other_are_drawn_nevertheless() -> None:
    document = graph(item("a:x", "adapter up", "b:y"), item("b:y", "device", "a:x"))

    assert len(marks(drawn(document))) == 2


def test_a_planning_error_is_shown_with_an_object_that_has_no_items() -> None:
    document = graph() | {"objects": [{"name": "adapter up", "kind": "adapter", "errors": ["no plugin brings it up"]}]}

    assert "no plugin brings it up" in words(drawn(document))


def test_an_answer_of_an_older_agent_is_drawn_too() -> None:
    document = {"items": [{k: v for k, v in item("link:eth0", "adapter up").items() if k != "kind"}]}

    assert len(marks(drawn(document))) == 1


def test_nothing_at_all_is_a_picture() -> None:
    assert "evenet: 0 of 0 items in sync" in words(drawn({"items": []}))
