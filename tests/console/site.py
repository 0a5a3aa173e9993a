"""A configuration directory for tests of commands: small rules of its own, everything below one folder."""

from pathlib import Path

from click.testing import CliRunner, Result

from postward.console.main import cli

RULES = """
shipped: off
thresholds: {greylist: 4, tag: 6, reject: 12}
rules:
  - name: deny-client
    check: list
    with: {match: client, list: bad}
    then: reject
    reason: "Your server {client_ip} is not welcome."
  - name: odd-helo
    check: list
    with: {match: helo, list: bad}
    then: {score: 2.5}
  - name: shadow-sender
    check: list
    with: {match: sender, list: bad}
    then: reject
    mode: shadow
"""
LIST = """
entries:
  - {value: 192.0.2.66, note: test}
  - {value: bad.example}
"""


def make(home: Path, *, rules: str = RULES, settings: str = "") -> Path:
    """Write the directory `home`/etc and give it."""
    etc = home / "etc"
    (etc / "rules.d").mkdir(parents=True, exist_ok=True)
    (etc / "lists").mkdir(exist_ok=True)
    (etc / "rules.d" / "site.yml").write_text(rules)
    (etc / "lists" / "bad.yml").write_text(LIST)
    (etc / "postward.yml").write_text(
        f"""
authserv_id: mx.example.org
own_domains: [example.org]
run_dir: {home}/run
policyd: {{listen: "unix:{home}/policyd", deadline: 2s}}
milter: {{listen: "unix:{home}/milter", workers: 2, deadline: 2s}}
dns: {{servers: ["127.0.0.1:1"], timeout: 100ms, attempts: 1}}
store: {{path: {home}/state.db}}
journal: {{path: {home}/journal}}
findings_key: {home}/findings.key
{settings}
"""
    )
    return etc


def postward(*arguments: str) -> Result:
    """Run a command in this process; standard output and error kept apart."""
    return CliRunner().invoke(cli, list(arguments))
