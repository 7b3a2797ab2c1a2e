"""Where a message may go: to the public Internet, and to networks that the operator names.

A name is looked up once, every address that it has is judged, and the connection goes to the
judged address itself: a second look-up could answer something else (DNS rebinding).
"""

import ipaddress
import socket
from collections.abc import Sequence

from strongroom.webhooks.errors import EndpointInvalid
from strongroom.webhooks.rules import split_url

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Guard:
    """Judges addresses. `networks` are allowed though they are private."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        """Without networks only public addresses are allowed, by https only."""
        self._networks = tuple(networks)

    def check_url(self, url: str) -> None:
        """What can be said without a look-up. Raises EndpointInvalid."""
        found = split_url(url)
        host = found.hostname or ""
        literal = _literal(host)
        if literal is not None and not self.allows(literal):
            raise EndpointInvalid(f"{host} is no public address, and messages go to no other.")
        if found.scheme == "http" and not (literal is not None and literal.is_loopback):
            raise EndpointInvalid("Give an https address: a message goes over no open connection.")

    def addresses(self, host: str, port: int) -> list[tuple[int, str]]:
        """(address family, address) of the host. Raises EndpointInvalid if one is not allowed,
        OSError if there is none.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        named = ((int(family), str(name[0])) for family, _, _, _, name in found)
        there = list(dict.fromkeys(named))
        for _, text in there:
            if not self.allows(ipaddress.ip_address(text.partition("%")[0])):
                raise EndpointInvalid("The name leads to an address that is not public.")
        return there

    def allows(self, address: Address) -> bool:
        """Whether a message may go there. NAT64's prefix (RFC 6052) is reserved, Teredo's not
        global; both can hide an IPv4 address.
        """
        if any(address in network for network in self._networks):
            return True
        if isinstance(address, ipaddress.IPv6Address):
            inner = address.ipv4_mapped or address.sixtofour
            if inner is not None:
                return self.allows(inner)
            if address.is_site_local:
                return False
        return address.is_global and not (
            address.is_multicast or address.is_reserved or address.is_unspecified
        )


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
