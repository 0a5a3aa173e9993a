"""Which host names look made up for an address, and which must not."""

import ipaddress
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postward.derive.generic_name import Grade, how_generic


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("mail-oln040092073011.outbound.protection.outlook.com", "40.92.73.11"),
        ("out203-205-221-190.mail.qq.com", "203.205.221.190"),
        ("66-220-155-139.mail-mail.facebook.com", "66.220.155.139"),
        ("a8-33.smtp-out.amazonses.com", "54.240.8.33"),
        ("o1.ptr1234.sendgrid.net", "167.89.1.1"),
        ("wrqvxdqw.outbound-mail.sendgrid.net", "149.72.1.2"),
        ("m204-138.mailgun.net", "198.61.204.138"),
        ("mail12.atl11.rsgsv.net", "205.201.133.12"),
        ("mta-70-33-12-13.sparkpostmail.com", "70.33.12.13"),
        ("mail-eopbgr690081.outbound.protection.outlook.com", "40.107.69.81"),
        ("zg8tmty1ljiyny4xntqumjca.icoremail.net", "165.227.154.27"),
        ("smtpbg419.qq.com", "183.3.226.243"),
        ("69-171-232-139.outmail.facebook.com", "69.171.232.139"),
        ("em-199-7-206-177.example.net", "199.7.206.177"),
        ("192-0-2-77.smtp2go.com", "192.0.2.77"),
        ("p3nlsmtp19.shr.prod.phx3.secureserver.net", "72.167.234.244"),
        ("4009975898.net", "103.136.42.219"),
        ("mail7.126.com", "126.7.1.2"),
        ("mail-wr1-f41.google.com", "209.85.221.41"),
        ("mx1.example.org", "192.0.2.1"),
        ("mail.example.org", "192.0.2.1"),
        ("example.org", "192.0.2.1"),
        ("host7.example.org", "192.0.2.7"),
        ("vps-backup.example.net", "1.2.3.4"),
        ("server12.example.net", "1.2.3.4"),
        ("web1.s2.dc3.example.net", "10.1.2.3"),
        ("mail.example.org", "2001:db8::25"),
        ("", "192.0.2.1"),
    ],
)
def test_honest_names_are_not_generic(name: str, client: str) -> None:
    assert how_generic(name, ipaddress.ip_address(client)).grade is Grade.NONE


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("dyn-192-0-2-77.isp.example", "192.0.2.77"),
        ("77.2.0.192.dsl.isp.example", "192.0.2.77"),
        ("192-0-2-77.pool.isp.example", "192.0.2.77"),
        ("cpe-192000002077.isp.example", "192.0.2.77"),
        ("dhcp.c000024d.isp.example", "192.0.2.77"),
        ("2001-db8-1--77.dialup.isp.example", "2001:db8:1::77"),
        ("p5b0a1c2d.dip0.isp.example", "91.10.28.45"),
        ("c-73-47-72-35.hsd1.nh.isp.example", "73.47.72.35"),
        ("pool-96-255-1-2.washdc.fios.isp.example", "96.255.1.2"),
        ("dsl-189-128-3-4-dyn.isp.com.mx", "189.128.3.4"),
        ("177-1-2-3.user.isp.com.br", "177.1.2.3"),
        ("host-79-37-70-253.retail.isp.it", "79.37.70.253"),
        ("192-0-2-77.dinamica.isp.example", "192.0.2.77"),
        ("internetdsl192-0-2-77.isp.example", "192.0.2.77"),
        ("dynamicip-192-0-2-77.isp.example", "192.0.2.77"),
        ("192-0-2-77.pool.isp.com.example", "192.0.2.77"),
        ("dsl-2-77-192-0.isp.co.jp", "192.0.2.77"),
    ],
)
def test_an_address_and_a_word_for_a_line_are_sure(name: str, client: str) -> None:
    assert how_generic(name, ipaddress.ip_address(client)).grade is Grade.SURE


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("192-0-2-77.isp.example", "192.0.2.77"),
        ("77-2-0-192.isp.example", "192.0.2.77"),
        ("h2.77.192.0.isp.example", "192.0.2.77"),
        ("192.000.002.077.isp.example", "192.0.2.77"),
        ("p5b0a1c2d.pk0.isp.example", "91.10.28.45"),
        ("5b-0a-1c-2d.isp.example", "91.10.28.45"),
        ("2d1c0a5b.isp.example", "91.10.28.45"),
        ("ip3221226061.isp.example", "192.0.2.77"),
        ("x19202177.isp.example", "192.0.2.177"),
        ("100-51-198.isp.example", "198.51.100.4"),
        ("static.11.22.33.144.clients.your-server.de", "144.33.22.11"),
        ("ip-20010db8000000010002000300040005.isp.example", "2001:db8:0:1:2:3:4:5"),
        ("h0002000300040005.isp.example", "2001:db8:0:1:2:3:4:5"),
        ("2001-db8--1.isp.example", "2001:db8::1"),
        ("dsl-100-4.isp.example", "198.51.100.4"),
        ("static-100-4.isp.example", "198.51.100.4"),
        ("static-dsl-192-0-2-77.isp.example", "192.0.2.77"),
        ("0002-77c0.1c2d5b0a.isp.example", "91.10.28.45"),
        ("ip32.ip-51-68-128.eu", "51.68.128.32"),
        ("ns5008129.ip-51-79-230.net", "51.79.230.233"),
        ("ec2-35-165-154-97.us-west-2.compute.amazonaws.com", "35.165.154.97"),
        ("183.87.154.104.bc.googleusercontent.com", "104.154.87.183"),
        ("vmi888983.contaboserver.net", "149.102.157.145"),
        ("hwsrv-1230149.hostwindsdns.com", "192.236.161.148"),
        ("vps-a2bccee9.vps.ovh.net", "51.75.19.47"),
        ("v2202012138.yourvserver.net", "192.0.2.77"),
        ("li1264-180.members.linode.com", "45.79.165.180"),
        ("5183060.isp.example", "96.125.164.95"),
        ("hosted-by.isp.example", "192.0.2.77"),
        ("undef-71-70.isp.example", "91.151.71.70"),
        ("45.76.1.2.vultr.com", "45.76.1.2"),
        ("ip-72-167-45-12.ip.secureserver.net", "72.167.45.12"),
        ("s15312345.onlinehome-server.info", "192.0.2.77"),
        ("customer-187-210-1-2.isp.com.mx", "187.210.1.2"),
    ],
)
def test_an_address_is_likely(name: str, client: str) -> None:
    assert how_generic(name, ipaddress.ip_address(client)).grade is Grade.LIKELY


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("192-0-2-77.dsl.isp.example", 3.0),
        ("192-0-2-77.isp.example", 2.0),
        ("vps-a2bccee9.isp.example", 1.0),
        ("dsl.isp.example", 1.0),
        ("static.isp.example", 0.5),
        ("mail.192-0-2-77.dsl.isp.example", 0.5),
        ("mx1.isp.example", 0.0),
    ],
)
def test_the_more_generic_the_more_it_weighs(name: str, score: float) -> None:
    assert how_generic(name, ipaddress.ip_address("192.0.2.77")).score == score


def test_an_address_of_somebody_else_is_no_sign() -> None:
    assert how_generic("198-51-100-9.isp.example", ipaddress.ip_address("192.0.2.77")).grade is Grade.NONE


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("h100-4.isp.example", "198.51.100.4"),
        ("4-100.isp.example", "198.51.100.4"),
        ("dialup.isp.example", "198.51.100.4"),
        ("static.isp.example", "198.51.100.4"),
        ("mail.198-51-100-4.dsl.isp.example", "198.51.100.4"),
    ],
)
def test_half_a_sign_is_weak(name: str, client: str) -> None:
    assert how_generic(name, ipaddress.ip_address(client)).grade is Grade.WEAK


@pytest.mark.parametrize(
    "name",
    [
        *("1-" * 127, "a" * 2000, "a-1." * 500, "ff-" * 85, "1.2.3.4." * 60, "-" * 5000, "a." * 127),
        *("1" * 254 + "a", "ab-" + "ff-" * 84 + "g", "mail" * 63, "0a" * 127, "srv" + "1" * 250 + "x"),
    ],
)
@pytest.mark.parametrize("client", ["1.1.2.3", "2001:db8::1"])
def test_long_names_cost_little(name: str, client: str) -> None:
    took = []
    for _ in range(5):
        how_generic.cache_clear()
        began = time.process_time()
        how_generic(name, ipaddress.ip_address(client))
        took.append(time.process_time() - began)
    assert min(took) < 0.001


@given(st.text(max_size=300), st.ip_addresses())
def test_no_name_breaks_it(name: str, client: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert how_generic(name, client).grade in Grade
