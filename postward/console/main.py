"""The command `postward`. Each subcommand is a module that is imported only when it is asked for."""

import sys
from importlib import import_module

import click

from postward import __version__

COMMANDS = {
    "check": ("check", "Say whether the configuration is valid."),
    "dns-lists": ("dns_lists", "Show which DNS lists are asked, how they are, and what they were good for."),
    "explain": ("explain", "Judge a message as if a client sent it, and show every rule."),
    "holds": ("holds", "List and decide the sender domains that wait for a person."),
    "list": ("lists", "Keep the lists of networks, names and addresses."),
    "milter": ("serve", "Run the milter in the foreground."),
    "postfix-conf": ("postfix_conf", "Print what Postfix must be told, and how to take it out again."),
    "policyd": ("serve", "Run the policy service in the foreground."),
    "rating": ("rating", "Show and edit what is on record about clients, networks, domains and logins."),
    "reload": ("reload", "Check the configuration and have the running daemons take it over."),
    "schema": ("schema", "Print the JSON Schema of rules files."),
    "why": ("why", "Show what was decided about a mail, and why."),
}


class _Lazy(click.Group):
    """Knows its commands by name and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*COMMANDS, *super().list_commands(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"postward.console.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self._help_of(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _help_of(self, name: str) -> str:
        return COMMANDS[name][1] if name in COMMANDS else self.commands[name].get_short_help_str()


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Postward: a policy daemon and milters that stand at the door of a Postfix server."""


@cli.command()
def version() -> None:
    """Print the version.

    \b
    Example:
      postward version
    """
    click.echo(f"postward {__version__}")


def main() -> None:
    """The entry point. A configuration that is wrong is told on standard error, exit status 1."""
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # `postward why ... | head`
        sys.stderr.close()
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)
