"""Deposit addresses from an account's xpub on one core: our fast path, the bare loop, bip_utils."""

import hmac
import random
import sys
import time
from collections.abc import Callable

from bip_utils import Bip44, Bip44Changes, Bip44Coins
from coincurve import PublicKey
from sha3 import keccak_256

from benches.report import in_turns, report
from strongroom_protocol.addresses import checksum
from strongroom_protocol.hd import addresses, parse_xpub

COUNT = 20_000
PEER_COUNT = 2_000
CHECKED = 50
TURNS = 7
SEED = 20_261_122


def main() -> int:
    """Rates are addresses per second of this process's CPU time, so that neighbours don't count."""
    chance = random.Random(SEED)
    account = Bip44.FromSeed(chance.randbytes(64), Bip44Coins.ETHEREUM).Purpose().Coin().Account(0)
    xpub = account.PublicKey().ToExtended()
    peer_rates: list[float] = []

    def ours() -> float:
        return rate(COUNT, lambda: list(addresses(xpub, 0, COUNT)))

    def raw() -> float:
        peer_rates.append(rate(PEER_COUNT, lambda: by_bip_utils(xpub, range(PEER_COUNT))))
        return rate(COUNT, lambda: bare_loop(xpub, COUNT))

    pairs = in_turns(ours, raw, turns=TURNS)
    text = rate(COUNT, lambda: [checksum(address) for address in addresses(xpub, 0, COUNT)])
    check(xpub, chance)
    peer = sorted(peer_rates)[len(peer_rates) // 2]
    figure = sorted(pair.ours for pair in pairs)[len(pairs) // 2]
    report(
        "hd",
        "addresses from an account xpub, one core",
        "addresses/s",
        pairs,
        raw_limit_is="HMAC-SHA512 + libsecp256k1 point addition + Keccak-256 in a bare loop",
        more={
            "peer": {"bip_utils": round(peer, 1), "times_faster": round(figure / peer, 2)},
            "with_eip55_text": round(text, 1),
            "addresses": COUNT,
            "seed": SEED,
        },
    )
    return 0


def rate(count: int, work: Callable[[], object]) -> float:
    """Addresses per second of CPU."""
    begun = time.process_time()
    work()
    return count / (time.process_time() - begun)


def bare_loop(xpub: str, count: int) -> list[bytes]:
    """The three operations that nobody can leave out, and nothing around them."""
    external = parse_xpub(xpub).child(0)
    code, prefix, parent = external.chain_code, external.public_key, PublicKey(external.public_key)
    found = []
    for index in range(count):
        left = hmac.digest(code, prefix + index.to_bytes(4, "big"), "sha512")[:32]
        found.append(keccak_256(parent.add(left).format(compressed=False)[1:]).digest()[12:])
    return found


def by_bip_utils(xpub: str, indexes: range | list[int]) -> list[str]:
    """The peer: text with its checksum is the only form that it gives."""
    external = Bip44.FromExtendedKey(xpub, Bip44Coins.ETHEREUM).Change(Bip44Changes.CHAIN_EXT)
    return [external.AddressIndex(index).PublicKey().ToAddress() for index in indexes]


def check(xpub: str, chance: random.Random) -> None:
    """All three give the same addresses, or the figures mean nothing."""
    mine = list(addresses(xpub, 0, COUNT))
    picked = [chance.randrange(COUNT) for _ in range(CHECKED)]
    same = mine == bare_loop(xpub, COUNT)
    same = same and [checksum(mine[index]) for index in picked] == by_bip_utils(xpub, picked)
    if not same:
        sys.exit("hd: our addresses differ from the bare loop's or from bip_utils'")


if __name__ == "__main__":
    sys.exit(main())
