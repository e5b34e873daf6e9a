"""The driver of nftables: a batch is one transaction of `nft -f -`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from evenet_core.errors import DriverError
from evenet_core.linux.nft import NftChain, NftElement, NftTable
from evenet_core.linux.nfttext import chain_texts, items_of, script
from evenet_core.linux.process import Completed, find_program, run
from evenet_core.linux.standby import Standby
from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome

__all__ = ["PROGRAM", "NftDriver"]

PROGRAM = "evenet-nft"
TABLE = "evenet"
FAMILIES = ("inet", "bridge")
_LINE = re.compile(r"^/dev/stdin:(\d+):", re.MULTILINE)
TIMEOUT = 60.0  # seconds


class NftDriver:
    """Loads transactions.

    :param run_dir: where nft gets a name of our own (`PROGRAM`), so that a monitor can tell it from others. An agent
        has one; for it an nft waits for the next transaction, until `close`.
    """

    kinds: tuple[str, ...] = ("nft",)

    def __init__(self, run_dir: Path | None = None) -> None:
        self._run_dir = run_dir
        self._known: dict[ItemKey, Item] = {}
        self._loader = Standby(self._load_command, TIMEOUT)

    def close(self) -> None:
        """No nft waits for a next transaction."""
        self._loader.close()

    async def observe(self) -> Iterable[Item]:
        found: list[Item] = []
        listings = await asyncio.gather(*(self._nft(("-j", "list", "table", family, TABLE)) for family in FAMILIES))
        for listed in listings:
            if listed.status == 0:
                found += items_of(json.loads(listed.output))
            elif not _is_missing(listed):
                raise DriverError(f"nft: {listed.complaint}")
        # texts cannot be read back: those that still hold are kept, for tables that must be made anew
        self._known = {item.key: self._known.get(item.key, item) for item in found}
        return found

    async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """All or nothing, but for changes that nft refuses by themselves: those fail alone."""
        errors: dict[int, DriverError] = {}
        for place, change in enumerate(changes):
            if isinstance(change.item, NftTable) and change.op is Op.UPDATE:
                try:
                    await self._learn(change.item)
                except DriverError as error:
                    errors[place] = error
        while len(errors) < len(changes):
            due = [place for place in range(len(changes)) if place not in errors]
            lines = self._script([changes[place] for place in due], due, errors)
            if lines is None:
                continue
            done = await self._load("".join(f"{text}\n" for _, text in lines).encode())
            if done.status == 0:
                break
            guilty = self._guilty(done, lines)
            for place in due if guilty is None else [due[guilty]]:
                errors[place] = DriverError(f"nft: {_reason(done)}")
        for place, change in enumerate(changes):
            if place not in errors:
                self._note(change)
        return [Outcome(change, errors.get(place)) for place, change in enumerate(changes)]

    async def _learn(self, table: NftTable) -> None:
        """The texts of chains that an earlier agent made: they move into the new table as they are.

        :raises DriverError: they cannot be read; without them the new table would let through what it must not.
        """
        listed = await self._nft(("-s", "list", "table", table.family, table.name))
        if listed.status != 0 and not _is_missing(listed):
            raise DriverError(f"nft: {listed.complaint}")
        texts = chain_texts(listed.output.decode(errors="replace"))
        for key, item in self._known.items():
            if isinstance(item, NftChain) and not item.rules and item.family == table.family and item.name in texts:
                self._known[key] = replace(item, rules=texts[item.name])

    def _script(
        self, changes: Sequence[Change], places: Sequence[int], errors: dict[int, DriverError]
    ) -> list[tuple[int | None, str]] | None:
        """The transaction; None when a change was found that cannot be written down (it is in `errors` then)."""
        present = [change for change in changes if not self._gone(change)]
        index = [i for i, change in enumerate(changes) if not self._gone(change)]
        try:
            lines = script(present, self._known.values())
        except DriverError:
            refused = {place: error for place, change in zip(places, changes, strict=True) if (error := _error(change))}
            if refused:
                errors |= refused
                return None
            # what somebody else put into a table of ours stays behind when that is made anew
            lines = script(present, [i for i in self._known.values() if _error(Change(Op.CREATE, None, i)) is None])
        return [(index[place] if place is not None else None, text) for place, text in lines]

    def _gone(self, change: Change) -> bool:
        """An element that is not there cannot be deleted, and nft would refuse to."""
        return change.op is Op.DELETE and isinstance(change.item, NftElement) and change.key not in self._known

    def _guilty(self, done: Completed, lines: Sequence[tuple[int | None, str]]) -> int | None:
        """Which change the first complaint is about."""
        found = _LINE.search(done.errors.decode(errors="replace"))
        number = int(found[1]) if found else 0
        return lines[number - 1][0] if 0 < number <= len(lines) else None

    def _note(self, change: Change) -> None:
        if change.after is None:
            self._known.pop(change.key, None)
        else:
            self._known[change.key] = change.after

    def _load_command(self) -> Sequence[str]:
        return self._program(), "-f", "/dev/stdin"

    async def _load(self, text: bytes) -> Completed:
        if self._run_dir is None:
            return await run(self._load_command(), text, TIMEOUT)
        return await self._loader.run(text)

    async def _nft(self, arguments: Sequence[str]) -> Completed:
        return await run((self._program(), *arguments), timeout=TIMEOUT)

    def _program(self) -> str:
        if self._run_dir is None:
            return "nft"
        program = self._run_dir / PROGRAM
        if not program.is_symlink():
            program.symlink_to(find_program("nft"))
        return str(program)


def _is_missing(listed: Completed) -> bool:
    return "No such file or directory" in listed.errors.decode(errors="replace")


def _error(change: Change) -> DriverError | None:
    """Why a change cannot be written down."""
    try:
        script([change], ())
    except DriverError as error:
        return error
    return None


def _reason(done: Completed) -> str:
    """The first complaint, without the place in a text that nobody sees."""
    for line in done.errors.decode(errors="replace").splitlines():
        if "Error:" in line:
            return line.split("Error:", 1)[1].strip()
    return done.complaint
