"""Resolvers that everybody uses: lists count the queries of all of them together, and refuse them."""

import ipaddress
from collections.abc import Iterable

PUBLIC = {
    ipaddress.ip_address(address): keeper
    for keeper, addresses in {
        "AdGuard": "94.140.14.14 94.140.15.15 2a10:50c0::ad1:ff 2a10:50c0::ad2:ff",
        "Alibaba": "223.5.5.5 223.6.6.6",
        "CleanBrowsing": "185.228.168.9 185.228.169.9",
        "Cloudflare": "1.1.1.1 1.0.0.1 1.1.1.2 1.0.0.2 1.1.1.3 1.0.0.3 2606:4700:4700::1111 "
        "2606:4700:4700::1001",
        "Control D": "76.76.2.0 76.76.10.0",
        "DNS4EU": "86.54.11.1 86.54.11.100 86.54.11.200",
        "Google": "8.8.8.8 8.8.4.4 2001:4860:4860::8888 2001:4860:4860::8844",
        "Hurricane Electric": "74.82.42.42 2001:470:20::2",
        "Level 3": "4.2.2.1 4.2.2.2 4.2.2.3 4.2.2.4",
        "OpenDNS": "208.67.222.222 208.67.220.220 2620:119:35::35 2620:119:53::53",
        "Quad9": "9.9.9.9 149.112.112.112 9.9.9.10 149.112.112.10 9.9.9.11 149.112.112.11 2620:fe::fe "
        "2620:fe::9",
        "Yandex": "77.88.8.8 77.88.8.1",
    }.items()
    for address in addresses.split()
}


def doubts(servers: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """A warning for each of the resolvers `servers` (address, port) that is a public one."""
    named = ((host, PUBLIC.get(ipaddress.ip_address(host))) for host, _ in servers)
    return tuple(
        f"DNS lists are asked through {host}, a public resolver ({keeper}): most refuse that or answer "
        "wrongly; run a resolver of your own, such as unbound, and name it in dns.servers"
        for host, keeper in named
        if keeper
    )
