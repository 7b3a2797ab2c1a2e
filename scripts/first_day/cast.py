"""Who plays: the organisation's people with their own keys, and payers outside the service."""

import json
from dataclasses import dataclass
from pathlib import Path

from first_day.diary import Diary
from first_day.node import Node
from strongroom_client import Signatory, Strongroom
from strongroom_client.client import new_token

# Anvil's published development accounts, rich on that chain and worth nothing on any other.
CUSTOMER = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
SHIPPER = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
LISTED_PAYER = "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"

ETH = "ETH/18"
TUSD = "TUSD/6"


@dataclass(frozen=True)
class Role:
    """A part in the play: handle, name, roles at the API, department, and whether they sign."""

    handle: str
    name: str
    roles: tuple[str, ...]
    department: str | None
    signs: bool


ROLES = (
    Role("olivia", "Olivia Owner", ("owner", "administrator", "accountant"), None, signs=True),
    Role("carmen", "Carmen Compliance", ("compliance", "administrator"), "compliance", signs=True),
    Role("ines", "Ines Initiator", ("initiator", "accountant"), "operations", signs=True),
    Role("anna", "Anna Approver", ("approver",), "treasury", signs=True),
    Role("boris", "Boris Approver", ("approver",), "treasury", signs=True),
    Role("chen", "Chen Approver", ("approver",), "operations", signs=True),
    Role("arthur", "Arthur Auditor", ("auditor",), None, signs=False),
)
OWNER = ROLES[0]


class Cast:
    """Everybody's keys and tokens, kept in the diary; connections to service and node."""

    def __init__(self, diary: Diary, api_url: str, node: Node, people: Path, operator: str) -> None:
        self.diary = diary
        self.node = node
        self._api_url = api_url
        self._people = people
        self.operator = Strongroom(api_url, operator)
        self._open: dict[str, Strongroom] = {}

    def key(self, handle: str) -> Signatory:
        """Return a person's own key; made here, and only ever here."""
        return Signatory(self.diary.once(f"key/{handle}", lambda: Signatory.create().export_key()))

    def token(self, handle: str) -> str:
        """Return a person's bearer token; made here, the service knows only its hash."""
        return str(self.diary.once(f"token/{handle}", new_token))

    def service(self, handle: str) -> Strongroom:
        """Return the API as this person."""
        if handle not in self._open:
            self._open[handle] = Strongroom(self._api_url, self.token(handle))
        return self._open[handle]

    def close(self) -> None:
        """Close every connection."""
        for service in (self.operator, *self._open.values()):
            service.close()
        self.node.close()

    def officers(self) -> list[Signatory]:
        """Return the custodian's officers; installation made their keys."""
        paths = sorted(self._people.glob("officer-*.key"))
        return [Signatory(path.read_text().strip()) for path in paths]

    def test_dollar(self) -> str:
        """Return the creation code of the test token, owned by the customer."""
        code = json.loads(Path(__file__).with_name("test_dollar.json").read_text())["creation"]
        owner = Signatory(CUSTOMER).address
        return str(code) + owner[2:].lower().rjust(64, "0")
