"""`postward schema`: the JSON Schema of rules files, for editors."""

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of rules files, for the completion and the warnings of an editor.

    \b
    Example:
      postward schema > /etc/postward/rules.schema.json
    then begin a rules file with
      # yaml-language-server: $schema=../rules.schema.json
    """
    from postward.rules import schema as rules_schema

    click.echo(json.dumps(rules_schema.schema(), indent=2))
