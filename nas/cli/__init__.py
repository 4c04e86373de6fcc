"""plugnas: decides which plug-in modules a vision network should be made of."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from keyword import iskeyword
from typing import Any

# Commands in the order of a first use; each is a file of this package with configure() and run().
COMMANDS = (
    "plan",
    "search",
    "status",
    "watch",
    "front",
    "explain",
    "confirm",
    "export",
    "import",
    "modules",
    "sites",
    "space",
    "cost",
    "latency",
    "dashboard",
    "schema",
)


class _Version(argparse.Action):
    """Prints the versions on which results depend; they are looked up only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *ignored: object) -> None:
        from plugnas.nas.machine.versions import versions

        found = versions()
        found = {"plugnas": found.pop("plugnas"), **found}
        print(", ".join(f"{name} {version}" for name, version in found.items()))
        parser.exit()


class _Completion(argparse.Action):
    """Prints a script by which a shell completes commands, options and file names."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, help=help, choices=("bash", "zsh", "tcsh"))

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        shell: Any,
        option: str | None = None,
    ) -> None:
        from plugnas.nas.cli.completion import script

        print(script(parser, shell))
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nas", description=__doc__)
    parser.add_argument("--version", action=_Version, help="show versions and exit")
    parser.add_argument(
        "--completion", action=_Completion, help="print a completion script for this shell and exit"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = importlib.import_module(f"plugnas.nas.cli.{name}" + "_" * iskeyword(name))
        text = (module.__doc__ or "").strip()
        summary, _, rest = text.partition("\n")
        sub = commands.add_parser(
            name,
            help=summary.rstrip(".").lower()[:1] + summary.rstrip(".")[1:],
            description=summary,
            epilog=rest.strip("\n").rstrip() or None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(sub)
        sub.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 2 for an error in the input, 130 after Ctrl-C."""
    from plugnas.nas.cli.messages import messages_shown
    from plugnas.nas.cli.work import work_shown
    from plugnas.nas.machine.output import lasting_output

    with lasting_output(plain=True), messages_shown(), work_shown():
        return _run(_parser().parse_args(argv))


def _run(args: argparse.Namespace) -> int:
    from plugnas.modules.errors import (
        PlugnasError,  # brings torch, which `nas --help` does not need
    )

    try:
        return int(args.run(args))
    except PlugnasError as error:
        print(f"nas: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"nas: {told}", file=sys.stderr)
        return 2
    except MemoryError as error:
        told = f" ({error})" if str(error) else ""
        print(f"nas: the memory of this machine is not enough for it{told}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("nas: interrupted", file=sys.stderr)
        return 130
