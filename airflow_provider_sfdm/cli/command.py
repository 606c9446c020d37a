"""The commands themselves. What takes long to import is imported when it is needed."""

from __future__ import annotations

import argparse
import contextlib
import logging
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import map_runs
from .definition import Definition
from .options import COMMANDS, DESCRIPTION
from .printing import FAILED, SUCCEEDED, Broken, complain, one_line, print_json, print_line
from .reading import STDIN, UsageProblem, read, read_or_parse
from .signals import INTERRUPTED, Ended, ended_by_signals
from .world import AirflowClients, Clients, clients_of, connections_of, functions, url_of

if TYPE_CHECKING:
    from ..aws.tasks import Tasks
    from ..states.machine import Outcome
    from ..storage import Connections

UNUSABLE, BROKEN = 2, 3
"""More exit codes. BROKEN: the storage could not be reached or the outcome not be written."""
_NAME = re.compile(r"[\w-]{1,80}", re.ASCII)


def main(arguments: Sequence[str] | None = None) -> int:
    """The console script ``sfdm``; returns its exit code."""
    parser = argparse.ArgumentParser("sfdm", description=DESCRIPTION)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name, help=command.help, description=f"{command.help[0].upper()}{command.help[1:]}."
        )
        for option in command.options:
            sub.add_argument(*option.flags, help=option.help, **option.more)
        sub.set_defaults(function=FUNCTIONS[command.name])
    options = parser.parse_args(arguments)
    level = logging.INFO if getattr(options, "verbose", False) else logging.WARNING
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    return perform(options.function, options, as_process=True)


def perform(function: Any, options: argparse.Namespace, *, as_process: bool = False) -> int:
    """Run a command, however it ends, and return its exit code. ``as_process``: the process ends with it."""
    try:
        with ended_by_signals(as_process=as_process):
            code: int = function(options)
        return code
    except UsageProblem as problem:
        complain(str(problem))
        return UNUSABLE
    except Broken as broken:
        complain(str(broken))
        return BROKEN
    except Ended as ended:
        complain(str(ended))
        return ended.code
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED


def run(options: argparse.Namespace) -> int:
    """``sfdm run``."""
    if not _NAME.fullmatch(options.name):
        raise UsageProblem("--name: 1 to 80 letters, digits, hyphens and underscores")
    if options.definition == options.input == STDIN:
        raise UsageProblem("only one of the definition and --input can be read from stdin")
    definition = Definition(read(options.definition), options.query_language)
    data = read_or_parse(options.input)
    clients = clients_of(options)
    connections = connections_of(options, clients)
    # Standard output is for the result alone, whatever Python functions print.
    with contextlib.redirect_stdout(sys.stderr):
        tasks = _tasks(definition, options, clients)
        if found := definition.problems(tasks):
            for problem in found:
                complain(str(problem))
            return UNUSABLE
        outcome = _outcome(definition, data, options, connections, tasks)
    told: dict[str, Any] = {"status": outcome.status.value}
    if outcome.status == "SUCCEEDED":
        told["output"] = outcome.output
    else:
        told |= {"error": outcome.error, "cause": outcome.cause}
    print_json(told)
    return SUCCEEDED if outcome.status == "SUCCEEDED" else FAILED


def _outcome(
    definition: Definition,
    data: Any,
    options: argparse.Namespace,
    connections: Connections,
    tasks: Tasks | None,
) -> Outcome:
    from ..core.errors import InvalidDefinition
    from ..local.unfinished import finish
    from ..runtime.distributed import local_services
    from ..states.identity import Identity
    from ..states.machine import compile_machine, execute
    from ..states.services import refuse
    from ..storage import StorageError

    prefix = f"arn:aws:states:{options.region or 'us-east-1'}:000000000000"
    identity = Identity(
        f"{prefix}:stateMachine:local",
        f"{prefix}:execution:local:{options.name}",
        "arn:aws:iam::000000000000:role/local",
    )
    with contextlib.ExitStack() as stack:
        storage = options.storage
        if storage is None:
            temporary = tempfile.TemporaryDirectory(prefix="sfdm-", ignore_cleanup_errors=True)
            storage = stack.enter_context(temporary)
        services = local_services(tasks or refuse, url_of(storage), connections)
        try:
            machine = compile_machine(definition.machine, query_language=definition.query_language)
        except InvalidDefinition as error:
            raise UsageProblem(str(error)) from None
        try:
            outcome = execute(machine, data, services, identity)
            finish()
            return outcome
        except StorageError as error:
            raise Broken(f"the execution could not be finished: {error}") from None


def validate(options: argparse.Namespace) -> int:
    """``sfdm validate``."""
    definition = Definition(read(options.definition), options.query_language)
    with contextlib.redirect_stdout(sys.stderr):
        found = definition.problems(_tasks(definition, options))
    if options.as_json:
        print_json([problem._asdict() for problem in found])
    else:
        for problem in found:
            print_line(one_line(str(problem)))
    return FAILED if found else SUCCEEDED


def _tasks(
    definition: Definition, options: argparse.Namespace, clients: Clients | AirflowClients | None = None
) -> Tasks | None:
    """What runs the Task states; None where there are none, which saves its import."""
    registered = functions(options.functions)
    if not definition.has_tasks():
        return None
    from ..aws.tasks import Tasks

    return Tasks(functions=registered) if clients is None else Tasks(clients.task_client, registered)


FUNCTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run,
    "validate": validate,
    "describe": map_runs.describe,
    "set": map_runs.change,
    "stop": map_runs.stop,
    "redrive": map_runs.redrive,
}
"""What each command does, by its name; returns its exit code."""
