"""By which uplinks a request may leave, and what is sent later when."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from evenet_core.device.deferral import LAST_PAUSE, MOST, SILENCE, Deferred, Item, is_retriable
from evenet_core.device.uplinks import Uplink, candidates

HERE = (ip_address("192.0.2.1"),)


def uplink(label: str, cost: int = 0, **more: object) -> Uplink:
    return replace(Uplink(label=label, ifname=label, cost=cost, addresses=HERE), **more)  # type: ignore[arg-type]


def labels(*uplinks: Uplink, max_cost: int = 255, turn: int = 0) -> list[str]:
    return [one.label for one in candidates(uplinks, max_cost=max_cost, turn=turn)]


def test_cheaper_ones_come_first_and_equals_take_turns() -> None:
    ways = uplink("lte", 10), uplink("wan"), uplink("lan"), uplink("sat", 20)
    assert labels(*ways, turn=0) == ["wan", "lan", "lte", "sat"]
    assert labels(*ways, turn=1) == ["lan", "wan", "lte", "sat"]
    assert labels(*ways, turn=2) == ["wan", "lan", "lte", "sat"]


def test_what_does_not_seem_to_work_comes_last_and_what_cannot_or_must_not_be_used_not_at_all() -> None:
    ways = uplink("wan", works=False), uplink("lan", addresses=()), uplink("lte", 10), uplink("sat", 20)
    assert labels(*ways, max_cost=10) == ["lte", "wan"]
    assert labels(uplink("lte", 10), max_cost=0) == []


def test_a_slow_path_is_given_more_time_within_limits() -> None:
    assert uplink("wan").patience == uplink("wan", latency=0.01).patience == 0.3
    assert uplink("sat", latency=0.6).patience == 2.4
    assert uplink("sat", latency=60.0).patience == 3.0


def item(key: str = "info", body: bytes = b"1", **more: object) -> Item:
    return replace(Item(key=key, url="https://controller.test/", body=body), **more)  # type: ignore[arg-type]


def due(queue: Deferred, now: float) -> Item:
    found = queue.due(now)
    assert found is not None
    return found


def test_the_last_word_on_a_matter_counts_and_keeps_its_turn() -> None:
    queue = Deferred().put(item("a")).put(item("b")).put(item("a", b"2"))
    assert queue.waiting() == ["a", "b"]
    assert due(queue, 0.0).body == b"2"


def test_a_refusal_holds_up_nobody_else_and_the_pauses_grow() -> None:
    queue = Deferred().put(item("a")).put(item("b"))
    pauses, now = [], 0.0
    for _ in range(6):
        queue = queue.answered(due(queue, now), 503, now)
        assert due(queue, now).key == "b"
        queue = queue.drop("b").put(item("b"))
        waits = next(one for one in queue.items if one.key == "a").not_before
        pauses.append(waits - now)
        now = waits
    assert pauses == [60, 120, 240, 480, 900, LAST_PAUSE]


def test_new_bytes_are_tried_at_once_and_the_same_bytes_wait() -> None:
    queue = Deferred().put(item())
    queue = queue.answered(due(queue, 0.0), 401, 0.0)
    assert queue.put(item()).due(1.0) is None
    assert due(queue.put(item(body=b"2")), 1.0).refusals == 0


def test_what_was_answered_is_gone_unless_it_was_replaced_meanwhile() -> None:
    queue = Deferred().put(item())
    sent = due(queue, 0.0)
    assert queue.answered(sent, 200, 1.0).items == ()
    assert queue.answered(sent, 404, 1.0).items == ()
    newer = queue.put(item(body=b"2"))
    assert newer.answered(sent, 200, 1.0) == newer


def test_where_nobody_answers_everything_waits() -> None:
    queue = Deferred().put(item("a")).put(item("b")).unanswered(5.0)
    assert queue.due(5.0) is None
    assert queue.wake_at == 5.0 + SILENCE
    assert queue.due(queue.wake_at) is not None
    assert queue.connected().due(5.0) is not None


def test_the_queue_is_bounded_and_the_least_important_gives_way() -> None:
    queue = Deferred()
    for number in range(MOST):
        queue = queue.put(item(str(number), priority=1))
    queue = queue.put(item("urgent", priority=0))
    assert len(queue.items) == MOST
    assert queue.waiting()[0] == "urgent"
    assert "0" not in queue.waiting()


WHAT = st.sampled_from(["put", "ok", "refused", "dropped", "silent"])
ACTIONS = st.lists(st.tuples(WHAT, st.sampled_from("abc"), st.binary(max_size=1)))


@given(ACTIONS)
def test_nothing_is_lost_and_nothing_sent_twice(actions: list[tuple[str, str, bytes]]) -> None:
    queue, now = Deferred(), 0.0
    left: dict[str, bytes] = {}
    for what, key, body in actions:
        now += 1.0
        if what == "put":
            queue, left = queue.put(item(key, body)), left | {key: body}
        elif (current := queue.due(now)) is not None:
            assert left[current.key] == current.body
            if what == "silent":
                queue = queue.unanswered(now)
                continue
            status = {"ok": 200, "refused": 429, "dropped": 400}[what]
            queue = queue.answered(current, status, now)
            if not is_retriable(status):
                del left[current.key]
        assert {one.key: one.body for one in queue.items} == left
    assert queue.wake_at <= now + LAST_PAUSE + SILENCE or not left
