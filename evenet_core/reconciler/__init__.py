"""Keeps a system as it is wanted. Knows nothing of networks: it is for anything that has state.

You describe what is wanted as *items*, small frozen values, and write a *driver* for each kind, which can tell what
exists and carry out changes. The *engine* compares, finds an order, and keeps it so. Here is all of it for files in a
directory (a test runs this example):

    import asyncio
    from collections.abc import Iterable, Sequence
    from dataclasses import dataclass
    from pathlib import Path
    from typing import ClassVar

    from evenet_core.reconciler.engine import Engine
    from evenet_core.reconciler.fragments import Wanted
    from evenet_core.reconciler.item import Change, Item, ItemKey, Op, Outcome, Requires


    @dataclass(frozen=True, slots=True)
    class Folder(Item):
        kind: ClassVar[str] = "folder"
        path: Path

        @property
        def key(self) -> ItemKey:  # identity
            return ItemKey((self.kind, str(self.path)))


    @dataclass(frozen=True, slots=True)
    class File(Item):
        kind: ClassVar[str] = "file"
        path: Path
        text: str  # the rest is the value: another text is an update

        @property
        def key(self) -> ItemKey:
            return ItemKey((self.kind, str(self.path)))

        @property
        def requires(self) -> tuple[Requires, ...]:  # what comes before, and goes after
            return (Requires(Folder(self.path.parent).key, "it lies in it"),)


    class Disk:
        kinds = ("folder", "file")

        def __init__(self, root: Path) -> None:
            self.root = root

        async def observe(self) -> Iterable[Item]:  # all that is ours; here, everything
            paths = sorted(self.root.rglob("*"))
            return [Folder(path) if path.is_dir() else File(path, path.read_text()) for path in paths]

        async def apply(self, changes: Sequence[Change]) -> Sequence[Outcome]:  # a batch; an outcome each
            return [Outcome(change, self.carry_out(change)) for change in changes]

        def carry_out(self, change: Change) -> Exception | None:
            item = change.item
            try:
                match item:
                    case Folder() if change.op is Op.DELETE:
                        item.path.rmdir()
                    case Folder():
                        item.path.mkdir(exist_ok=True)
                    case File() if change.op is Op.DELETE:
                        item.path.unlink(missing_ok=True)
                    case File():
                        item.path.write_text(item.text)
            except OSError as error:
                return error  # it is tried again, and holds up only what requires it
            return None


    async def main(root: Path) -> None:
        engine = Engine([Disk(root)], on_event=lambda event: print(event.text))
        await engine.start()  # observes
        folder, file = Folder(root / "etc"), File(root / "etc" / "motd", "hello")
        wanted = {item.key: Wanted(item, plugin="demo", object="greeting") for item in (folder, file)}
        for line in engine.plan(wanted).describe():
            print(line)
        engine.update(wanted)
        await engine.settled()
        file.path.write_text("somebody else was here")
        engine.suspect("file")  # what a monitor would say
        await engine.settled()
        engine.update({file.key: None})
        await engine.settled()
        await engine.stop()  # what exists stays; the next engine finds it and changes nothing

What you get: nothing is made before what it requires, nothing goes under what stands on it; a value that cannot
change in place (`Item.replaces`) takes what stands on it down and brings it back; what fails, or is undone by somebody
else, is tried again later and later and is told with what it holds up (`problems`, `explain`); a driver that hangs,
raises or lies costs its own items only; all of it survives being killed at any moment, because what exists is observed
and not remembered. Large intents are kept piece by piece, each planned anew only when a fact changes that its planning
read (`fragments`). Nothing costs more than what it changes.

Where to read on: `item` the vocabulary; `machine` what may be done now (no clock, no I/O); `places`, `failures`
its memory; `engine` runs it, with `supervised` drivers and `audit`s; `fragments`, `facts` the intent by object. In
`views` is what others are told: `plan` what would be done, `events` what was; `problems`, `knots` and `explain` why
something is not.
"""
