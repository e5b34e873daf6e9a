"""`evenet validate`, `plan`, `apply`, `confirm`, `schema`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from typing import Any

from evenet_core import formats
from evenet_core.cli.client import Client
from evenet_core.cli.output import colour, print_json, printable, shown
from evenet_core.errors import ConfigError

__all__ = ["apply", "confirm", "plan", "schema", "validate"]


def validate(options: Namespace) -> int:
    """Every problem of every file; exit 1 if there is one."""
    reports = [_report(file) for file in options.files]
    if options.json:
        print_json(reports)
    else:
        for report in reports:
            _print_report(report)
    return 1 if any(report["problems"] for report in reports) else 0


def _report(file: str) -> dict[str, Any]:
    try:
        document = formats.read_file(file)
    except ConfigError as error:
        problems = [
            {"path": p.path or None, "problem": p.problem, "remedy": p.remedy, "text": str(p)} for p in error.problems
        ]
        return {"file": file, "kind": None, "problems": problems, "notices": []}
    notices = [{"path": notice.path, "text": notice.text} for notice in document.notices]
    return {"file": file, "kind": document.kind, "problems": [], "notices": notices}


def _print_report(report: dict[str, Any]) -> None:
    for problem in report["problems"]:
        print(shown(problem["text"]), file=sys.stderr)
    for notice in report["notices"]:
        print(f"{report['file']}: {shown(notice['path'])}: {shown(notice['text'])}")
    if not report["problems"]:
        print(f"{report['file']}: {colour('good', 'green')} ({report['kind']})")


def plan(options: Namespace) -> int:
    params: dict[str, Any] = {"name": options.file, "text": _text(options.file)} if options.file else {}
    if options.revert:
        params["revert"] = True
    with Client(str(options.socket)) as agent:
        answer = agent.call("plan", **params)
    if options.json:
        print_json(answer["plan"])
        return 0
    by_object: dict[str, list[str]] = {}
    for change, line in zip(answer["plan"]["changes"], answer["lines"], strict=True):
        by_object.setdefault(change["object"] or "left behind", []).append(line)
    for problem in answer["plan"]["problems"]:
        by_object.setdefault(problem["object"], []).append(f"! {problem['error']}")
    for name in sorted(by_object, key=_rank):
        print(colour(shown(name), "bold"))
        for line in by_object[name]:
            print(f"  {_painted(printable(line))}")
    summary = answer["plan"]["summary"]
    counts = ", ".join(f"{summary[op]} to {op}" for op in ("create", "update", "delete"))
    print(counts if any(summary.values()) else "nothing would change")
    return 0


def _rank(name: str) -> tuple[int, str]:
    """The node first, then its adapters, its network instances, its apps."""
    kinds = ("device", "adapter", "network instance", "interface")
    return next((i for i, kind in enumerate(kinds) if name.startswith(kind)), len(kinds)), name


def _painted(line: str) -> str:
    colours = {"+": "green", "-": "red", "~": "yellow", "!": "red"}
    name = colours.get(line.lstrip()[:1])
    return colour(line, name) if name else line


def apply(options: Namespace) -> int:
    """Hand over and follow. Settled in error is exit 1: the reason is the last line on stderr."""
    if options.confirm_by and options.confirm is None:
        options.usage_error("--confirm-by needs --confirm: the time after which the config before comes back")
    by = options.confirm_by or _OPERATOR
    text = _text(options.file)
    with Client(str(options.socket)) as agent:
        answer = agent.call("apply", **_handed_over(options, text))
        for notice in answer["notices"]:
            print(f"{options.file}: {shown(notice)}")
        story, fate = _Story(options.verbose), _Fate(followed=by != _OPERATOR)
        follow = {"since": answer["seq"]} | ({"concluded": True} if by != _OPERATOR else {})
        for event in agent.stream("settle", **follow):
            if "settled" in event:
                story.end()
                return _settled(event, fate)
            fate.note(event)
            story.tell(event)
            if event.get("confirm_until"):
                print(f"reverts at {_clock(event['confirm_until'])} unless {_who(event['confirm_by'])}", flush=True)
    return 1


_OPERATOR = "operator"


def _handed_over(options: Namespace, text: str) -> dict[str, Any]:
    """What the agent is told; nothing of what was not asked for, so that an agent of another version understands."""
    params = {"name": options.file, "text": text, "confirm": options.confirm}
    return params | ({"confirm_by": options.confirm_by} if options.confirm_by else {})


def _who(by: str) -> str:
    """What ends the wait."""
    if by == _OPERATOR:
        return "`evenet confirm` comes"
    who = "the controller" if by == "controller" else shown(by)
    return f"{who} is reached through the new config (or `evenet confirm` comes)"


def _clock(time: str) -> str:
    return f"{shown(time)[11:19]} UTC"


class _Fate:
    """What became of a config that had to be confirmed: the first event that tells it.

    :param followed: that it was confirmed is all that was asked for.
    """

    def __init__(self, *, followed: bool) -> None:
        self._followed = followed
        self.confirmed = False
        self.error = ""
        self._handed_over = False

    def note(self, event: dict[str, Any]) -> None:
        if event["kind"] != "config" or self.confirmed or self.error:
            return
        if event.get("confirmed"):
            self.confirmed = self._followed
        elif event.get("reverted"):
            self.error = f"reverted: {event['text']}"
        elif event.get("superseded") and self._handed_over:  # the first to tell of is this one itself
            self.error = "not confirmed: another config was applied meanwhile"
        self._handed_over = True


class _Story:
    """What happens, a line each; items that change as they should are counted, unless all are asked for."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose
        self._counts: Counter[str] = Counter()
        self._time = ""

    def tell(self, event: dict[str, Any]) -> None:
        time = event["time"][11:19]
        if event["kind"] == "item" and not event["error"] and not self._verbose:
            self._counts[event["op"]] += 1
            self._time = time
            return
        self.end()
        line = f"  {shown(time)}  {shown(event['text'])}"
        print(colour(line, "red") if event.get("error") else line, flush=True)

    def end(self) -> None:
        """Tell what was counted."""
        if self._counts:
            counts = ", ".join(f"{count} {op}d" for op, count in self._counts.items())
            print(printable(f"  {self._time}  {counts}"), flush=True)
            self._counts.clear()


def _settled(last: dict[str, Any], fate: _Fate) -> int:
    status = last["status"]
    errors = [f"{problem['item'] or problem['object']}: {problem['error']}" for problem in status["problems"]]
    errors += [f"port {port['label']}: {port['error']}" for port in status["ports"] if port["error"]]
    dpc = status["dpc"]
    if dpc["fallback"]:
        errors.append(f"the new config does not reach the controller ({dpc['last_error']}); DPC {dpc['key']} is in use")
    elif dpc["state"] == "fail":
        errors.append(f"the controller is not reached: {dpc['last_error']}")
    if fate.error:
        errors.append(fate.error)
    if not last["settled"]:
        print("evenet: not settled in time", file=sys.stderr)
    for error in errors:
        print(f"evenet: {shown(error)}", file=sys.stderr)
    good = (fate.confirmed or (last["settled"] and status["state"] == "converged")) and not fate.error
    items = status["items"]
    state = colour(shown(status["state"]), "green" if good else "yellow")
    print(f"{state}: {items['in_sync']} of {items['wanted']} in sync")
    if status["confirm_until"] is not None:
        print(f"the config before comes back at {_clock(status['confirm_until'])} unless `evenet confirm` comes")
    return 0 if good else 1


def confirm(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        answer = agent.call("confirm")
    if not answer["confirmed"]:
        print(f"evenet: {shown(answer['text'])}", file=sys.stderr)
        return 1
    print("kept")
    return 0


def schema(_: Namespace) -> int:
    print_json(formats.schema())
    return 0


def _text(file: str) -> str:
    """The file's text, once it is known to be a good config: a bad one does not even reach the agent."""
    formats.read_file(file)
    with open(file, encoding="utf-8") as source:
        return source.read()
