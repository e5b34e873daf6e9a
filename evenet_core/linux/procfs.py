"""What /proc tells of a process. Loads nothing, for those who are in a hurry.

Plain paths: of each part of a `Path` Python keeps the text, and pids are ever new.
"""

from __future__ import annotations

__all__ = ["process_name", "start_time"]

LARGEST_PID = 1 << 22  # PID_MAX_LIMIT; netlink ports beyond are no pids


def start_time(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc_pid_stat(5)); empty if there is none.

    Together with the pid it tells a process from a later one with the same pid.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return ""
    fields = stat[stat.rindex(b")") + 2 :].split()
    return "" if fields[0] == b"Z" else fields[19].decode()


def process_name(pid: int) -> str:
    """What people call a process: `ip (pid 42)`, or its number only if it has ended. Empty if it is no pid."""
    if not 0 < pid <= LARGEST_PID:
        return ""
    try:
        with open(f"/proc/{pid}/comm", errors="replace") as file:
            name = file.read().strip()
    except OSError:
        return f"pid {pid}"
    return f"{name} (pid {pid})"
