"""The DPCs of this node: what its sources hand over, which is in use, and what local operators changed of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from evenet_core.device.dpclist import LAST_RESORT_KEY, MANUAL_KEY, same_network
from evenet_core.device.lastresort import LAST_RESORT
from evenet_core.device.outlook import outlook
from evenet_core.device.patches import patched, patches_all
from evenet_core.device.readiness import PortState
from evenet_core.device.verification import Adjusted, Phase, Resumed, State, Timers
from evenet_core.errors import EvenetError
from evenet_core.model.adapters import Dpc, Origin
from evenet_core.model.patches import PortPatch
from evenet_core.model.timers import BETTER_INTERVAL, TEST_DURATION, TEST_INTERVAL
from evenet_core.probing.verdict import PortVerdict
from evenet_core.runtime.journal import Journal
from evenet_core.runtime.ledger import Ledger
from evenet_core.runtime.memory import LocalChanges, Memory
from evenet_core.runtime.verifier import Verifier
from evenet_core.status import dpc_list, time_of_day

__all__ = ["Dpcs"]


@dataclass(frozen=True, slots=True)
class _Effective:
    """A DPC as it is used: with what the local overlay changes of it."""

    base: Dpc
    overlay: tuple[PortPatch, ...]
    dpc: Dpc
    refused: Mapping[str, str]  # why the overlay of a port is not in it, by label


class Dpcs:
    """Keeps the list, and has it verified.

    :param use: another DPC is in use, or the same with other local changes.
    :param test: one verdict for each adapter of the DPC in use.
    :param changed: something of the verification changed.
    """

    def __init__(
        self,
        memory: Memory,
        ledger: Ledger,
        journal: Journal,
        *,
        use: Callable[[], None],
        test: Callable[[], Awaitable[Sequence[PortVerdict]]],
        changed: Callable[[], None],
        required: int = 1,
    ) -> None:
        self._memory, self._ledger, self._journal = memory, ledger, journal
        self._use, self._told = use, changed
        self._verifier = Verifier(State(), use=self._in_use, test=test, changed=self._verified)
        self._adjusted = Adjusted(timers=Timers(), required=required)
        self._local = LocalChanges()
        self._effective: _Effective | None = None
        self._last_phase = Phase.IDLE

    # -- asking -------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What verification knows."""
        return self._verifier.state

    @property
    def current(self) -> Dpc | None:
        """The DPC in use, with the local overlay."""
        effective = self._merged()
        return effective.dpc if effective is not None else None

    @property
    def refused(self) -> Mapping[str, str]:
        """Why local changes of a port are not in use, by its label."""
        effective = self._merged()
        return effective.refused if effective is not None else {}

    @property
    def overlay(self) -> tuple[PortPatch, ...]:
        """What the local overlay asks for."""
        return self._local.overlay

    @property
    def is_silent(self) -> bool:
        """Whether there is radio silence."""
        return self._local.silent

    def outlook(self) -> list[str]:
        """Where verification stands and what comes next, for people."""
        return outlook(self.state, self._verifier.now, time_of_day)

    def list(self) -> list[dict[str, Any]]:
        """The candidates, first choice first."""
        return dpc_list(self.state, self.outlook())

    # -- sources ------------------------------------------------------------------------------------

    def resume(self, settings: Mapping[str, str]) -> None:
        """Go on with what an earlier run stored."""
        self.adjust(settings)
        self._local = self._memory.local_changes()
        self._verifier.resume(self._memory.candidates())
        self._hold()

    def adjust(self, settings: Mapping[str, str]) -> None:
        """Go by these device properties."""
        timers = Timers(
            test_duration=TEST_DURATION.seconds(settings.get(TEST_DURATION.name)),
            test_interval=TEST_INTERVAL.seconds(settings.get(TEST_INTERVAL.name)),
            better_interval=BETTER_INTERVAL.seconds(settings.get(BETTER_INTERVAL.name)),
        )
        lasting = frozenset([LAST_RESORT_KEY] if settings.get(LAST_RESORT) == "enabled" else [])
        self._adjusted = replace(self._adjusted, timers=timers, lasting=lasting)
        self._verifier.adjust(self._adjusted)

    def arrived(self, dpc: Dpc, instead_of: Dpc | None = None) -> None:
        """A source handed this over.

        :param instead_of: what it handed over before and nobody confirmed.
        """
        self._verifier.arrived(dpc, instead_of)
        if self._local.manual and dpc.key != LAST_RESORT_KEY:
            self._verifier.arrived(self._manual(dpc))

    def withdrawn(self, key: str) -> None:
        """A source takes back whatever it handed over."""
        self._verifier.withdrawn(key)

    def last_resort(self, dpc: Dpc | None) -> None:
        """What could be used if nothing else was known, or if the operator always wants it to be tried."""
        known = next((c.dpc for c in self.state.candidates if c.key == LAST_RESORT_KEY), None)
        wanted = LAST_RESORT_KEY in self._adjusted.lasting or all(
            candidate.key == LAST_RESORT_KEY for candidate in self.state.candidates
        )
        if dpc is None or not wanted or (known is not None and same_network(known, dpc)):
            return
        self._verifier.arrived(dpc, known)

    # -- the local operator -------------------------------------------------------------------------

    def set_port(self, patch: PortPatch) -> None:
        """Another candidate before all others: the DPC in use with these settings of one port.

        :raises EvenetError: no DPC is in use, or it has no such port.
        """
        base = self._base()
        if base is None:
            raise EvenetError("there is no DPC to change a port of")
        changes = (*(known for known in self._local.manual if known.label != patch.label), patch)
        _, refused = patched(base, [patch], Origin.CONSOLE, permitted=True)
        if refused:
            raise EvenetError("; ".join(refused.values()))
        self._remember(replace(self._local, manual=changes, manual_at=datetime.now(UTC)))
        self._journal.add("dpc", f"the operator changed port {patch.label}")
        self._verifier.arrived(self._manual(base))

    def revert(self) -> bool:
        """Take back what `set_port` did; False = nothing."""
        if not self._local.manual:
            return False
        self._remember(replace(self._local, manual=()))
        self._journal.add("dpc", "the operator's changes are taken back")
        self._verifier.withdrawn(MANUAL_KEY)
        return True

    def ask(self, key: str) -> None:
        """Try a candidate now; empty = the first.

        :raises EvenetError: there is no such candidate.
        """
        if key not in ("", *(candidate.key for candidate in self.state.candidates)):
            raise EvenetError(f"there is no DPC {key}")
        self._verifier.asked(key)

    def lay_over(self, patches: Sequence[PortPatch]) -> None:
        """Local settings of ports that allow them, whatever DPC is in use."""
        if tuple(patches) != self._local.overlay:
            self._remember(replace(self._local, overlay=tuple(patches)))
            self._hold()
            self._use()

    def be_silent(self, silent: bool) -> None:
        """Radio silence: what cannot be reached now says nothing about a DPC."""
        if silent != self._local.silent:
            self._remember(replace(self._local, silent=silent))
            self._hold()

    # -- verification -------------------------------------------------------------------------------

    def ports_changed(self, ports: tuple[PortState, ...]) -> None:
        """All adapters with IP of the DPC in use, as they are now."""
        self._verifier.ports_changed(ports)

    async def stop(self) -> None:
        await self._verifier.stop()

    # -- inside -------------------------------------------------------------------------------------

    def _base(self) -> Dpc | None:
        """What the operator's changes are changes of."""
        state = self.state
        others = [c.dpc for c in state.candidates if c.key != MANUAL_KEY]
        if state.candidate is not None and state.candidate.key != MANUAL_KEY:
            return state.candidate.dpc
        return others[0] if others else None

    def _manual(self, base: Dpc) -> Dpc:
        at = self._local.manual_at
        dpc, _ = patched(base, self._local.manual, Origin.CONSOLE, at, permitted=True)
        return replace(dpc, key=MANUAL_KEY, time_priority=at)

    def _remember(self, local: LocalChanges) -> None:
        self._local = local
        self._ledger.enter("local", partial(self._memory.save_local_changes, local))

    def _merged(self) -> _Effective | None:
        candidate = self.state.candidate
        if candidate is None:
            return None
        known, overlay = self._effective, self._local.overlay
        if known is None or known.base is not candidate.dpc or known.overlay != overlay:
            dpc, refused = patched(candidate.dpc, overlay, Origin.LOCAL_PROFILE)
            known = self._effective = _Effective(candidate.dpc, overlay, dpc, refused)
        return known

    def _hold(self) -> None:
        candidate = self.state.candidate
        why = "radio silence" if self._local.silent else ""
        if candidate is not None and patches_all(candidate.dpc, self._local.overlay):
            why = why or "every management port has local settings"
        if why != self._adjusted.held:
            self._adjusted = replace(self._adjusted, held=why)
            self._verifier.adjust(self._adjusted)

    def _in_use(self, _: Dpc | None) -> None:
        state = self.state
        failed = state.candidates[: state.current][-1:]
        why = "".join(f"; DPC {one.key} failed: {one.results.last_error}" for one in failed)
        self._journal.add("dpc", f"{_called(state)} is in use now{why}")
        self._hold()
        self._use()

    def _verified(self, state: State) -> None:
        stored = Resumed(state.candidates, state.current, state.phase, self._verifier.since)
        save = partial(self._memory.save_candidates, stored)
        self._ledger.enter("candidates", save)
        if state.phase is not self._last_phase:
            self._last_phase = state.phase
            error = state.candidate.results.last_error if state.candidate and state.phase is Phase.FAILED else ""
            self._journal.add("dpc", f"{_called(state)}: {state.phase}" + (f": {error}" if error else ""))
        self._told()


def _called(state: State) -> str:
    """The DPC in use, for people. A device may fall back to one of the same source."""
    if state.candidate is None:
        return "no DPC"
    return f"DPC {state.candidate.key}{' (fallback)' if state.current > 0 else ''}"
