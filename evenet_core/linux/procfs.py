"""What /proc tells of a process. Loads nothing, for those who are in a hurry."""

from __future__ import annotations

from pathlib import Path

__all__ = ["start_time"]


def start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc_pid_stat(5)); empty if there is none.

    Together with the pid it tells a process from a later one with the same pid.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    fields = stat[stat.rindex(b")") + 2 :].split()
    return "" if fields[0] == b"Z" else fields[19].decode()
