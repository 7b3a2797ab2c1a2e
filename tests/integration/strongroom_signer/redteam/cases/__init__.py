"""The cases, by subject. A new one is one function with `@attack("the refusal's code")`."""

from importlib import import_module

from tests.integration.strongroom_signer.redteam.stage import CASES

__all__ = ["CASES", "SUBJECTS"]

SUBJECTS = (
    "replays", "approvals", "policies", "clearances", "safe", "batches", "fees", "sweeps",
    "spending", "hot_keys", "gas", "fiat", "manifests", "requests", "offline", "rules", "vaults",
)  # fmt: skip

for subject in SUBJECTS:
    import_module(f"{__name__}.{subject}")
