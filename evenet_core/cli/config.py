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
    params = {"name": options.file, "text": _text(options.file)} if options.file else {}
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
    text = _text(options.file)
    with Client(str(options.socket)) as agent:
        answer = agent.call("apply", name=options.file, text=text, confirm=options.confirm)
        for notice in answer["notices"]:
            print(f"{options.file}: {shown(notice)}")
        story, reverted = _Story(options.verbose), False
        for event in agent.stream("settle", since=answer["seq"]):
            if "settled" in event:
                story.end()
                return _settled(event, reverted=reverted)
            reverted |= bool(event.get("reverted"))
            story.tell(event)
    return 1


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


def _settled(last: dict[str, Any], *, reverted: bool) -> int:
    status = last["status"]
    errors = [f"{problem['item'] or problem['object']}: {problem['error']}" for problem in status["problems"]]
    errors += [f"port {port['label']}: {port['error']}" for port in status["ports"] if port["error"]]
    dpc = status["dpc"]
    if dpc["fallback"]:
        errors.append(f"the new config does not reach the controller ({dpc['last_error']}); DPC {dpc['key']} is in use")
    elif dpc["state"] == "fail":
        errors.append(f"the controller is not reached: {dpc['last_error']}")
    if reverted:
        errors.append("nobody confirmed in time: the config before is back")
    if not last["settled"]:
        print("evenet: not settled in time", file=sys.stderr)
    for error in errors:
        print(f"evenet: {shown(error)}", file=sys.stderr)
    good = last["settled"] and status["state"] == "converged" and not reverted
    items = status["items"]
    state = colour(shown(status["state"]), "green" if good else "yellow")
    print(f"{state}: {items['in_sync']} of {items['wanted']} in sync")
    if status["confirm_until"] is not None:
        print(f"the config before comes back at {status['confirm_until'][11:19]} UTC unless `evenet confirm` comes")
    return 0 if good else 1


def confirm(options: Namespace) -> int:
    with Client(str(options.socket)) as agent:
        kept = agent.call("confirm")["confirmed"]
    print("kept" if kept else "nothing waits for a confirmation")
    return 0 if kept else 1


def schema(_: Namespace) -> int:
    print_json(formats.schema())
    return 0


def _text(file: str) -> str:
    """The file's text, once it is known to be a good config: a bad one does not even reach the agent."""
    formats.read_file(file)
    with open(file, encoding="utf-8") as source:
        return source.read()
