"""Code hashes of Safe's official releases (safe-deployments, `codeHash`); nothing else is a Safe.

SafeL2 1.5.0 and SafeProxy 1.5.0 are compared with the packaged bytecode by a test.
"""

from collections.abc import Mapping
from typing import Final

SINGLETON: Final = "SafeL2 1.5.0"
"""The only implementation that has a module guard and tells of everything in events."""

SINGLETONS: Final[Mapping[bytes, str]] = {
    bytes.fromhex(code_hash): name
    for name, code_hash in {
        SINGLETON: "180193227186ccb85316c94db1f0d156ed932b14712cfaac78901899178572dc",
        "Safe 1.5.0": "dda019cbd7c867a533a2a86e5c53434fdc50b13122b5a5ddb4a8df61b31c20f2",
        "SafeL2 1.4.1": "b1f926978a0f44a2c0ec8fe822418ae969bd8c3f18d61e5103100339894f81ff",
        "Safe 1.4.1": "1fe2df852ba3299d6534ef416eefa406e56ced995bca886ab7a553e6d0c5e1c4",
        "GnosisSafeL2 1.3.0": "21842597390c4c6e3c1239e434a682b054bd9548eee5e9b1d6a4482731023c0f",
        "GnosisSafe 1.3.0": "bba688fbdb21ad2bb58bc320638b43d94e7d100f6f3ebaab0a4e4de6304b1c2e",
    }.items()
}

PROXIES: Final[Mapping[bytes, str]] = {
    bytes.fromhex(code_hash): name
    for name, code_hash in {
        "SafeProxy 1.5.0": "4e381985ca68b3e5d27b4425fa581c19cf33146d3f887a3cfca96f55528ea46f",
        "SafeProxy 1.4.1": "d7d408ebcd99b2b70be43e20253d6d92a8ea8fab29bd3be7f55b10032331fb4c",
        "GnosisSafeProxy 1.3.0": "b89c1b3bdf2cf8827818646bce9a8f6e372885f8c55e5c07acbd307cb133b000",
    }.items()
}
