"""The section `dns_lists`: the site's words over what is shipped, and a line for each thing that is wrong."""

import re
from pathlib import Path

import pytest

from postward.daemon.config import Settings, load_settings
from postward.daemon.configuration import configure
from postward.daemon.dnslists import ListSection, definitions, doubts, shipped
from postward.dnslists.definition import Definition
from postward.rules.errors import ConfigErrors
from postward.stage import Door
from tests.console.site import make

BOTH = frozenset(Door)


def settings(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "postward.yml").write_text(text)
    return load_settings(tmp_path)


def lists(tmp_path: Path, text: str) -> dict[str, Definition]:
    return {each.name: each for each in definitions(settings(tmp_path, text).dns_lists)}


def errors(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        settings(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def scores(each: Definition) -> dict[str, float]:
    return {code.pattern.text: code.score for code in each.codes}


def test_every_shipped_list_is_complete_and_off() -> None:
    assert definitions(Settings().dns_lists) == ()
    for name, raw in shipped().items():
        assert "on" not in raw
        section = ListSection.model_validate({"on": True, **raw})
        each = section.definition(name)
        assert each.listed
        assert each.clear
        assert all(code.score for code in each.codes)


def test_a_shipped_list_is_switched_on(tmp_path: Path) -> None:
    found = lists(tmp_path, "dns_lists: {mailspike: on, dnswl: {}, spamhaus-zen: off, surbl: {on: off}}\n")
    assert sorted(found) == ["dnswl", "mailspike"]
    assert scores(found["mailspike"]) == {"127.0.0.10": 2.0, "127.0.0.11": 1.5, "127.0.0.12": 1.0}


def test_the_scores_that_are_written_down(tmp_path: Path) -> None:
    found = lists(
        tmp_path, "dns_lists: {spamhaus-zen: on, blocklist-de: on, spameatingmonkey: on, dnswl: on}\n"
    )
    zen = scores(found["spamhaus-zen"])
    assert [zen[f"127.0.0.{n}"] for n in (2, 3, 4, 9, 10, 11)] == [4.0, 2.0, 4.0, 7.0, 2.0, 2.0]
    assert scores(found["blocklist-de"]) == {"127.0.0.*": 4.0}
    assert scores(found["spameatingmonkey"]) == {"127.0.0.*": 1.0}
    assert sorted(scores(found["dnswl"]).values()) == [-0.5, -0.2, -0.1]


def test_a_key_goes_into_the_zone_and_is_not_shown(tmp_path: Path) -> None:
    read = settings(tmp_path, "dns_lists: {spamhaus-zen: {key: Abc123xyz}}\n")
    (zen,) = definitions(read.dns_lists)
    assert zen.asked("2.0.0.127") == "2.0.0.127.abc123xyz.zen.dq.spamhaus.net"
    assert zen.zone == "***.zen.dq.spamhaus.net"
    assert "abc123xyz" not in (repr(read) + repr(zen) + read.model_dump_json()).lower()


def test_codes_are_laid_over_the_shipped_ones(tmp_path: Path) -> None:
    codes = "{127.0.0.12: {score: 0, means: bad}, 127.0.0.2: {score: 3, means: new}}"
    found = scores(lists(tmp_path, f"dns_lists: {{mailspike: {{codes: {codes}}}}}\n")["mailspike"])
    assert found == {"127.0.0.10": 2.0, "127.0.0.11": 1.5, "127.0.0.12": 0.0, "127.0.0.2": 3.0}


def test_a_list_of_the_site_s_own(tmp_path: Path) -> None:
    found = lists(
        tmp_path,
        """
dns_lists:
  ours:
    zone: bl.example.org
    about: [client, sender]
    codes:
      127.0.0.2: {score: 3, means: spam}
      bit 64: {score: 1.5, means: virus}
    refusals: [127.0.0.255]
    names: both
    test: {listed: [127.0.0.2, test.example], clear: [127.0.0.1]}
    within: 500ms
    ipv6: false
""",
    )["ours"]
    assert (found.zone, found.asked("x"), found.key) == ("bl.example.org", "x.bl.example.org", "")
    assert found.about == {"client", "sender"}
    assert (found.within, found.names, found.ipv6) == (0.5, "both", False)
    assert (found.listed, found.clear) == (("127.0.0.2", "test.example"), ("127.0.0.1",))


WRONG = [
    ("dns_lists: [mailspike]\n", "1:12: dns_lists: must hold keys and values, such as {mailspike: on}"),
    (
        "dns_lists: {mailspike: perhaps}\n",
        "1:24: dns_lists.mailspike: must be on, off, or hold keys and values",
    ),
    (
        "dns_lists: {mailspik: on}\n",
        "1:23: dns_lists.mailspik: no list of that name is shipped; did you mean mailspike?; one of your own "
        "needs zone, about and codes",
    ),
    (
        "dns_lists: {mailspike: {zonne: x.org}}\n",
        "1:25: dns_lists.mailspike.zonne: unknown key; did you mean zone?",
    ),
    (
        "dns_lists: {mailspike: {codes: {127.0.0.2: {scor: 1, means: x, score: 1}}}}\n",
        "1:45: dns_lists.mailspike.codes.127.0.0.2.scor: unknown key; did you mean score?",
    ),
    (
        "dns_lists: {mailspike: {codes: {127.0.0.x: {score: 1, means: x}}}}\n",
        "1:33: dns_lists.mailspike.codes.127.0.0.x: write an address such as 127.0.0.2 or 127.0.*.2, "
        "or a bit such as: bit 8",
    ),
    (
        "dns_lists: {mailspike: {codes: {127.0.0.1: {score: 1, means: x}}}}\n",
        "1:33: dns_lists.mailspike.codes.127.0.0.1: 127.0.0.1 is no listing: "
        "lists that are broken answer that",
    ),
    (
        "dns_lists: {mailspike: {codes: {127.0.0.2: {score: 1}}}}\n",
        "1:44: dns_lists.mailspike.codes.127.0.0.2: needs means",
    ),
    (
        "dns_lists: {mailspike: {key: secret1}}\n",
        "1:24: dns_lists.mailspike: a key is given, but no zone has {key} in it; write keyed_zone: with it",
    ),
    (
        'dns_lists: {spamhaus-zen: {key: "not a label"}}\n',
        "1:33: dns_lists.spamhaus-zen.key: must be one label of a domain name (letters, digits, hyphens)",
    ),
    ("dns_lists: {spamhaus-zen: {key: 12345}}\n", "1:33: dns_lists.spamhaus-zen.key: must be text"),
    (
        'dns_lists: {o: {zone: "{key}.x.org", about: client, codes: {127.0.0.2: {score: 1, means: x}}}}\n',
        "1:16: dns_lists.o: needs key: the zone has {key} in it",
    ),
    (
        "dns_lists: {o: {zone: x.org, about: [body], codes: {127.0.0.2: {score: 1, means: x}}}}\n",
        "1:38: dns_lists.o.about[0]: must be one of: 'client', 'helo', 'rdns' or 'sender'",
    ),
    (
        "dns_lists: {A B: {zone: x.org, about: client, codes: {127.0.0.2: {score: 1, means: x}}}}\n",
        "1:13: dns_lists.A B: a list's name is made of a-z, 0-9 and hyphens, at most 40",
    ),
    (
        "dns_lists: {mailspike: {within: 1m}}\n",
        "1:33: dns_lists.mailspike.within: must be less than or equal to 5",
    ),
    (
        "dns_lists: {mailspike: {zone: no..zone}}\n",
        "1:31: dns_lists.mailspike.zone: not a domain name; write it without final dot, "
        "with {key} where the key goes",
    ),
]


@pytest.mark.parametrize(("text", "line"), WRONG, ids=[text.strip() for text, _ in WRONG])
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, line: str) -> None:
    assert errors(tmp_path, text) == [f"postward.yml:{line}"]


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    said = errors(tmp_path, "dns_lists:\n  mine: {}\n  mailspike: {names: all, ipv6: 3}\n")
    assert [line.split(": ", 1)[1] for line in said] == [
        "dns_lists.mine: needs about",
        "dns_lists.mine: needs codes",
        "dns_lists.mine: needs zone",
        "dns_lists.mailspike.names: must be one of: 'org', 'name' or 'both'",
        "dns_lists.mailspike.ipv6: must be true or false",
    ]


def test_no_key_stands_in_an_error(tmp_path: Path) -> None:
    said = errors(
        tmp_path,
        "dns_lists: {spamhaus-zen: {key: SecretKey42, zone: 7, codes: 3, test: x}, bad: SecretKey42}\n",
    )
    assert len(said) > 2
    assert "secretkey42" not in "\n".join(said).lower()


def test_a_public_resolver_is_a_doubt_once_a_list_is_on(tmp_path: Path) -> None:
    google = [("8.8.8.8", 53)]
    assert doubts(settings(tmp_path, "dns_lists: {mailspike: off}\n").dns_lists, google, BOTH) == ()
    (said,) = doubts(settings(tmp_path, "dns_lists: {mailspike: on}\n").dns_lists, google, BOTH)
    assert "8.8.8.8, a public resolver (Google)" in said


def test_lists_without_policyd_are_a_doubt(tmp_path: Path) -> None:
    read = settings(tmp_path, "dns_lists: {mailspike: on}\n")
    (said,) = doubts(read.dns_lists, [("127.0.0.1", 53)], frozenset({Door.MILTER}))
    assert "policyd" in said


ROOT = Path(__file__).parents[2]


def test_each_key_is_documented() -> None:
    section = (ROOT / "docs/configuration.md").read_text().split("## dns_lists\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.M)) == set(ListSection.model_fields)


def test_each_shipped_list_is_documented() -> None:
    page = (ROOT / "docs/howto/use-dns-lists.md").read_text()
    assert set(re.findall(r"^\| `([\w-]+)`", page, re.M)) == set(shipped())


def test_what_the_page_shows_can_be_written(tmp_path: Path) -> None:
    page = (ROOT / "docs/howto/use-dns-lists.md").read_text()
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.S) if "dns_lists:" in block]
    assert [sorted(lists(tmp_path, block)) for block in blocks] == [
        ["blocklist-de", "dnswl", "mailspike", "spamhaus-zen"],
        ["ours"],
    ]


RULE = """
shipped: off
rules:
  - name: listed
    check: dns_list
    with: {of: client, only: [ours, mailspike, mailspik]}
    then: {score: own}
"""


def test_a_rule_names_only_lists_that_there_are(tmp_path: Path) -> None:
    ours = "{zone: x.org, about: client, codes: {127.0.0.2: {score: 1, means: x}}}"
    etc = make(tmp_path, rules=RULE, settings=f"dns_lists: {{ours: {ours}}}")
    with pytest.raises(ConfigErrors) as caught:
        configure(etc)
    place, said = str(caught.value).removeprefix(str(etc)).split(": ", 1)
    assert place == "/rules.d/site.yml:6:48"
    assert said == "rules[0].with.only[2]: there is no DNS list mailspik; did you mean mailspike?"


def test_doubts_are_told_by_check(tmp_path: Path) -> None:
    etc = make(tmp_path, settings="dns_lists: {mailspike: on}\ndoors: [milter]")
    (said,) = configure(etc).rules.doubts
    assert "none is asked" in str(said)
