"""``airflow sfdm``: the same commands as an Airflow command. Airflow is imported here only, when it asks for them."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from .options import AWS_CONN_ID, COMMANDS, DESCRIPTION, VALIDATE, Command, Option

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand


def get_cli_commands() -> list[CLICommand]:
    """What Airflow adds to its commands (``cli`` in the provider's info)."""
    from airflow.cli.cli_config import GroupCommand

    commands = [_action(command, *(() if command is VALIDATE else (AWS_CONN_ID,))) for command in COMMANDS]
    about = "Run and check Step Functions' state machines, control map runs"
    return [GroupCommand(name="sfdm", help=about, subcommands=commands)]


def _action(command: Command, *more: Option) -> Any:
    from airflow.cli.cli_config import ActionCommand, Arg

    def act(options: Namespace) -> None:
        from airflow.cli.utils import redirect_stdout_log_handlers_to_stderr

        from . import command as commands

        redirect_stdout_log_handlers_to_stderr()
        raise SystemExit(commands.perform(commands.FUNCTIONS[command.name], options))

    make: Any = Arg  # it has no types
    args = [make(option.flags, help=option.help, **option.more) for option in (*command.options, *more)]
    return ActionCommand(
        name=command.name, help=command.help, func=act, args=args, description=f"{DESCRIPTION} See also: sfdm."
    )
