"""The `evenet` command: parse, run one command, turn failures into exit codes."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module

from evenet_core.cli.client import AgentError
from evenet_core.cli.output import printable
from evenet_core.cli.parser import build_parser
from evenet_core.errors import ConfigError, EvenetError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 refused or failed, 2 wrong usage (raised by argparse)."""
    options = build_parser().parse_args(arguments)
    try:
        status = _command(options)(options)
        sys.stdout.flush()  # here, where a broken pipe is noticed
        return status
    except ConfigError as error:
        return _fail([str(problem) for problem in error.problems])
    except AgentError as error:
        return _fail(error.problems or [f"evenet: {error}"])
    except EvenetError as error:
        return _fail([f"evenet: {error}"])
    except BrokenPipeError:  # whoever read what we print has seen enough
        _close_stdout()
        return 1
    except OSError as error:
        _flush_what_can_be()
        return _fail([f"evenet: {error.filename or 'system'}: {error.strerror or error}"])
    except KeyboardInterrupt:
        return 130


def _command(options: Namespace) -> Callable[[Namespace], int]:
    """The function that runs the command: `MODULE:FUNCTION`, imported only now."""
    module, function = options.command.split(":")
    command: Callable[[Namespace], int] = getattr(import_module(module), function)
    return command


def _flush_what_can_be() -> None:
    try:
        sys.stdout.flush()
    except OSError:  # this is what failed: a full disk
        _close_stdout()


def _close_stdout() -> None:
    """Nothing more is written there, also not at the interpreter's end, which would complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _fail(lines: Sequence[str]) -> int:
    for line in lines:
        print(printable(line), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
