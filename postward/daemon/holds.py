"""The sections `notify` and `rdap` of `postward.yml`, and the clerk who works by them."""

import ipaddress
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from postward.address import parse
from postward.daemon.units import Seconds, ServerAddress
from postward.holds.clerk import Clerk
from postward.holds.mail import ByMail
from postward.holds.registry import Registry
from postward.holds.teller import Teller, Way
from postward.house import House

_MIN_SECRET = 16


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _mail_address(text: str) -> str:
    address = parse(text)
    if not address.domain or address.problem or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("not a mail address")
    return address.text


def _https(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.username:
        raise ValueError("must be an address such as https://rdap.example.org/")
    return text


def _webhook(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return text
    return _https(text)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret(text: str) -> str:
    if len(text) < _MIN_SECRET:
        raise ValueError(f"must have at least {_MIN_SECRET} characters")
    return text


def _server(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


MailAddress = Annotated[str, AfterValidator(_mail_address)]


class MailSection(_Section):
    """Notices by mail. No `from`: `postward@` and the `authserv_id`."""

    to: Annotated[tuple[MailAddress, ...], Field(min_length=1, max_length=20)]
    sender: Annotated[MailAddress | None, Field(alias="from")] = None
    server: ServerAddress = ("127.0.0.1", 25)


class WebhookSection(_Section):
    """Notices by webhook, signed with `secret`."""

    url: Annotated[str, AfterValidator(_webhook)]
    secret: Annotated[str, AfterValidator(_secret), Field(repr=False)]
    private: bool = False


class NotifySection(_Section):
    """How people are told; by default not at all."""

    mail: MailSection | None = None
    webhook: WebhookSection | None = None


class RdapServerSection(_Section):
    """One RDAP server. `private`: its address need not be on the public Internet."""

    url: Annotated[str, AfterValidator(_https)]
    private: bool = False


class RdapSection(_Section):
    """When domains were registered. No servers: it is not asked. `hosts`: where redirects may lead too."""

    servers: Annotated[
        dict[str, Annotated[RdapServerSection, BeforeValidator(_server)]], Field(max_length=2_000)
    ] = Field(default_factory=dict)
    hosts: Annotated[frozenset[str], Field(max_length=2_000)] = frozenset()
    timeout: Annotated[Seconds, Field(gt=0, le=5)] = 5.0
    cache: Annotated[Seconds, Field(ge=60)] = 7 * 86_400.0


def section_at(path: tuple[str | int, ...]) -> type[BaseModel]:
    """The section whose keys stand at `path` of `postward.yml`."""
    match path:
        case ("notify", "mail", *_):
            return MailSection
        case ("notify", "webhook", *_):
            return WebhookSection
        case ("notify",):
            return NotifySection
        case ("rdap", "servers", *_):
            return RdapServerSection
        case _:
            return RdapSection


def teller(house: House, notify: NotifySection, host: str) -> Teller:
    """Who tells people. `host`: this host's name."""
    ways: list[Way] = []
    if (mail := notify.mail) is not None:
        ways.append(ByMail(mail.to, mail.sender or f"postward@{host}", mail.server, host))
    if (hook := notify.webhook) is not None:
        from postward.holds.https import Https  # 0.1 s to import
        from postward.holds.webhook import ByWebhook

        ways.append(ByWebhook(hook.url, hook.secret, Https(house.tools.dns), hook.private))
    return Teller(ways, house.tools.clock)


def registry(house: House, section: RdapSection) -> Registry | None:
    """Who knows the age of domains, if anybody."""
    if not section.servers:
        return None
    from postward.holds.https import Https, host_of
    from postward.holds.rdap import Rdap, RdapServer, RdapSettings

    servers = {end: RdapServer(each.url, each.private) for end, each in section.servers.items()}
    hosts = section.hosts | {host_of(each.url) for each in servers.values()}
    settings = RdapSettings(servers, hosts, section.timeout, section.cache)
    return Rdap(settings, Https(house.tools.dns), house.tools.clock)


def clerk(house: House, tells: Teller, section: RdapSection) -> Clerk:
    """Who looks after the tickets, by the rules in force."""
    return Clerk(lambda: house.tools, lambda: house.rules.holds, tells, registry(house, section))
