"""What the config says of the machine's devices, against what is there. Pure.

A device that cannot be as it is said is an error of its own: it holds up no other, and goes when the model is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from evenet_core.model.ports import Port

__all__ = ["model_errors"]


def model_errors(ports: Sequence[Port], exists: Callable[[Port], bool]) -> dict[str, str]:
    """Errors by label.

    :param exists: whether a device of this name, or at this PCI address, is there
    """
    parents = {port.group: port.parent_group for port in ports if port.group and port.parent_group}
    found: dict[str, list[str]] = {}
    for port in ports:
        found[port.label] = [*_of_group(port, parents), *_missing(port, exists)]
    for label, text in _shared(ports):
        found[label].append(text)
    return {label: "; ".join(texts) for label, texts in found.items() if texts}


def _of_group(port: Port, parents: Mapping[str, str]) -> Iterator[str]:
    if port.group and port.group == port.parent_group:
        yield f"group {port.group} is its own parent"
    elif _returns(port.group, parents):
        yield f"Cycle detected among the parents of group {port.group}"


def _returns(group: str, parents: Mapping[str, str]) -> bool:
    seen = {""}
    step = parents.get(group, "")
    while step not in seen:
        if step == group:
            return True
        seen.add(step)
        step = parents.get(step, "")
    return False


def _missing(port: Port, exists: Callable[[Port], bool]) -> Iterator[str]:
    if port.pci and not exists(port):
        yield f"PCI device {port.pci} does not exist"


def _shared(ports: Sequence[Port]) -> Iterator[tuple[str, str]]:
    """One address in two groups: whoever gets the one takes the other along. Of a pair each is told once."""
    for what in ("PCI", "USB"):
        holders: dict[str, Port] = {}
        for port in ports:
            address = port.usb if what == "USB" else "" if port.usb else port.pci.lower()
            holder = holders.setdefault(address, port) if address else port
            if holder is not port and holder.group != port.group:
                yield port.label, f"{what} address {address} is also that of {holder.label}, in another group"
                yield holder.label, f"{what} address {address} is also that of {port.label}, in another group"
