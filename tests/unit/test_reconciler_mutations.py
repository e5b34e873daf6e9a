"""Bugs planted in the reconciler, one at a time: its tests catch each of them.

A test that cannot fail proves nothing. Each bug is put into the source as it is loaded, in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parent.parent.parent
TESTS = [
    f"tests/unit/test_reconciler_{name}.py"
    for name in ("machine", "engine", "drivers", "drift", "intent", "faults", "histories")
]
# Loads one module from another text than that of its file, then runs pytest.
RUNNER = """
import importlib.machinery, importlib.util, pathlib, sys
module, old, new, *arguments = sys.argv[1:]
path = pathlib.Path("evenet_core/reconciler", module + ".py").resolve()
text = path.read_text()
assert text.count(old) == 1, f"{text.count(old)} places: {old}"

class Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, name):
        return compile(text.replace(old, new), str(path), "exec")

class Finder:
    @staticmethod
    def find_spec(name, where=None, target=None):
        if name == f"evenet_core.reconciler.{module}":
            return importlib.util.spec_from_file_location(name, path, loader=Loader(name, str(path)))

sys.meta_path.insert(0, Finder)
sys.path.insert(0, "")
import pytest
sys.exit(pytest.main(arguments))
"""


@dataclass(frozen=True, slots=True)
class Bug:
    """`old` of a module of the reconciler reads `new`."""

    what: str
    module: str
    old: str
    new: str


BUGS = [
    Bug(
        "an item is made before what it requires",
        "machine",
        "return not all(map(self._is_there, place.needs))",
        "return False",
    ),
    Bug(
        "an item is removed under what stands on it",
        "machine",
        "return Change(Op.DELETE, before, None, key) if self._nobody_stands_on(place) else None",
        "return Change(Op.DELETE, before, None, key)",
    ),
    Bug(
        "an update does not wait for what is to be made anew after it",
        "machine",
        "if self._nobody_stands_on(place, anew=True) else None",
        "if True else None",
    ),
    Bug(
        "what is being removed counts as there",
        "machine",
        "return place.actual is place.wanted and place.change is None and not place.leaving",
        "return place.actual is place.wanted",
    ),
    Bug(
        "what nobody wants stays when it was wanted before",
        "machine",
        "        if wanted is None or (wanted",
        "        if (wanted is None and place.key not in self.former) or (wanted is not None and wanted",
    ),
    Bug(
        "new things do not wait for the removals that make room",
        "machine",
        "        for place in self._make_room(batches):",
        "        for place in ():",
    ),
    Bug(
        "what stands on something that changed is not looked at again",
        "machine",
        "        for above in place.above:\n            self._look_at(above)\n            if above.actual",
        "        for above in place.above:\n            if above.actual",
    ),
    Bug(
        "a change that failed counts as done",
        "machine",
        "                self._failures.failed(change.key, change.op, error, now)\n"
        "                self._places.drop(place)\n"
        "                continue",
        "                pass",
    ),
    Bug(
        "what is observed overwrites what is being changed",
        "machine",
        "            if place.change is None and (drift",
        "            if (drift",
    ),
    Bug(
        "what fails is never tried again",
        "failures",
        "            yield heapq.heappop(self._retries)[2]",
        "            heapq.heappop(self._retries)\n            yield from ()",
    ),
    Bug(
        "retries do not back off",
        "failures",
        "return min(limit, BACKOFF_FIRST * 2.0 ** min(attempts - 1, 16))",
        "return min(limit, BACKOFF_FIRST)",
    ),
    Bug(
        "drift is repaired at once for ever",
        "failures",
        "FREE_REPAIRS = 3 ",
        "FREE_REPAIRS = 3_000_000 ",
    ),
    Bug(
        "a requirement that is given up is still held against it",
        "places",
        "            if below not in place.needs and below not in place.stands:\n",
        "            if False:\n",
    ),
    Bug(
        "a driver that broke on a batch does not get its changes one by one",
        "supervised",
        '                log.info("driver %s gets %d changes one by one", self.name, len(changes))',
        '                return [Outcome(change, DriverError("it broke")) for change in changes]',
    ),
    Bug(
        "a driver that lies is never found out",
        "audit",
        "        self._at[group] = now + max(SOON, SHARE * self._took[group])",
        "        self._at[group] = float('inf')",
    ),
    Bug(
        "an interrupted change counts as made",
        "engine",
        "        self.machine.interrupted(change, found)",
        "        self.machine.interrupted(change, change.after)",
    ),
    Bug(
        "what a monitor sees of a change in flight is forgotten",
        "engine",
        "            self._hints[key] = found, by  # judged when the change is done",
        "            pass",
    ),
    Bug(
        "a changed fact does not plan the objects that read it",
        "fragments",
        "return self.invalidate({reader for name in names for reader in self._readers.get(name, ())})",
        "return self.invalidate(())",
    ),
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.what)
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", *TESTS]

    done = subprocess.run(
        [sys.executable, "-c", RUNNER, bug.module, bug.old, bug.new, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=500,
        check=False,
    )

    assert done.returncode == pytest.ExitCode.TESTS_FAILED, f"{bug.what}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    assert " failed" in done.stdout
