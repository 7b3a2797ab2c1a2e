"""Messages go to public addresses only, whatever form a private one takes."""

import ipaddress
import socket

import pytest

from strongroom.webhooks.errors import EndpointInvalid
from strongroom.webhooks.guard import Guard

PRIVATE = (
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1",
    "192.0.2.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
    "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "64:ff9b::7f00:1", "2002:7f00:1::",
    "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "100::1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "::ffff:8.8.8.8")


@pytest.mark.parametrize("text", PRIVATE)
def test_a_private_address_is_not_allowed(text: str) -> None:
    assert not Guard().allows(ipaddress.ip_address(text))
    host = f"[{text}]" if ":" in text else text
    with pytest.raises(EndpointInvalid, match="no public address"):
        Guard().check_url(f"https://{host}/hook")


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_allowed(text: str) -> None:
    assert Guard().allows(ipaddress.ip_address(text))


def test_what_the_operator_names_is_allowed_and_nothing_beside_it() -> None:
    guard = Guard([ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("127.0.0.0/8")])
    guard.check_url("https://10.1.2.3/")
    guard.check_url("https://example.org/")
    guard.check_url("http://127.0.0.1:9000/")
    assert guard.allows(ipaddress.ip_address("::ffff:10.1.2.3"))
    for url in ("https://10.2.0.1/", "http://10.1.2.3/", "http://example.org/", "http://1.1.1.1/"):
        with pytest.raises(EndpointInvalid):
            guard.check_url(url)


def test_one_private_answer_among_public_ones_refuses_the_name(monkeypatch) -> None:
    """The resolver is the other side's: it may answer anything, and something else each time."""
    answers = [["93.184.215.14"], ["93.184.215.14", "10.0.0.1"], ["fe80::1%eth0"]]

    def resolve(_host: str, port: int, type: int) -> list:  # noqa: A002 - as the original names it
        del type
        found = answers.pop(0)
        return [
            (socket.AF_INET6 if ":" in text else socket.AF_INET, 1, 6, "", (text, port))
            for text in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert Guard().addresses("a.example", 443) == [(int(socket.AF_INET), "93.184.215.14")]
    for _ in range(2):
        with pytest.raises(EndpointInvalid):
            Guard().addresses("a.example", 443)
