"""The vault's page in a browser: how it stands, what is to change, who leaves."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, expect

from strongroom.cli.main import main
from strongroom.policy import service as policy
from strongroom.vaults import service
from strongroom.vaults.leaving import paper
from strongroom.vaults.room import standing
from strongroom_client import Problem, Strongroom
from strongroom_protocol.addresses import checksum
from strongroom_protocol.vault_changes import change_document
from tests.factories.governed import Governing, chain_of_the_past
from tests.factories.house import person, sign
from tests.factories.parts.anvil import Chain
from tests.factories.safes import signed
from tests.factories.serving import served
from tests.factories.stage import Stage
from tests.factories.staged import stage

__all__ = ["stage"]

SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
PICTURES = Path(__file__).parents[2] / ".strongroom-pictures"


@pytest.fixture(scope="module")
def anvil_of_module() -> Iterator[Chain]:
    with chain_of_the_past() as chain:
        yield chain


@pytest.fixture(scope="module")
def governing(stage: Stage) -> Governing:
    """A policy that wants another person and another limit; its people have begun."""
    made = Governing(stage)
    made.look()
    newcomer = person("noor, new approver")
    with stage.unit() as uow:
        content = policy.active(uow, stage.id).content
        bundle = policy.active(uow, stage.id).bundle
        guard = service.platform(uow, stage.chain.chain_id).deployment.guard
    limits = [dict(one) for one in content["limits"]]
    limits[0]["per_day_units"] = str(50 * 10**18)
    owners = sorted([*map(checksum, bundle.control.owners), newcomer.address], key=str.lower)
    noor = {
        "id": "noor",
        "name": "Noor",
        "address": newcomer.address,
        "roles": ["approver"],
        "department": "board",
    }
    made.update_policy(
        newcomer,
        people=[*content["people"], noor],
        limits=limits,
        controls={
            "owners": owners,
            "threshold": bundle.control.threshold,
            "guard": checksum(guard),
            "permit_signer": checksum(bundle.control.permit_signer),
            "freezers": [],
        },
    )
    made.look()
    step = made.propose(change_document(made.pending()[0].change))
    made.sign(step.id, stage.cast.amir)
    return made


def test_the_page_shows_the_vault_its_health_and_what_is_to_change(
    stage: Stage, governing: Governing, browser: Browser
) -> None:
    with served(stage) as site:
        token = site.token("amir", stage.cast.amir, "approver")
        for name, size in SIZES.items():
            context = browser.new_context(base_url=site.url, viewport=size)  # type: ignore[arg-type]
            page = context.new_page()
            page.goto("/console/sign-in")
            page.get_by_label("Token").fill(token)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("link", name="Vault").click()
            if name == "desk":
                expect(page.get_by_role("heading", name="Health: 100 of 100")).to_be_visible()
                expect(page.get_by_role("heading", name="2 of 3 owners sign")).to_be_visible()
                expect(page.get_by_text("1 of 2 signed (Amir)")).to_be_visible()
                expect(page.get_by_text("Add the owner Noor")).to_have_count(2)
                expect(page.get_by_text("Lower the limit of ETH to 50 ETH a day")).to_be_visible()
                expect(page.get_by_label("Look at this first")).to_have_count(0)
                _announce_exit(stage, governing)
                page.reload()
            expect(page.get_by_label("Look at this first")).to_contain_text("that they leave")
            _fits(page)
            PICTURES.mkdir(exist_ok=True)
            page.screenshot(path=PICTURES / f"vault-{name}.png", full_page=True)
            context.close()


def _announce_exit(stage: Stage, governing: Governing) -> None:
    with stage.unit() as uow:
        module = service.platform(uow, stage.chain.chain_id).deployment.exit
        found = standing(uow).found
    sheet = paper(found, "announce", stage.chain.chain_id, module)
    people = (stage.cast.amir, stage.cast.bea)
    data = sheet.calldata(found, [signed(one, sheet.structure, sheet.domain) for one in people])
    house = stage.house
    house.send({"from": house.money, "to": checksum(sheet.to), "data": "0x" + data.hex()})
    governing.look()


def _fits(page: Page) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, "the page is wider than the screen"


def test_a_change_is_governed_by_the_client_library_too(stage: Stage, governing: Governing) -> None:
    """Over HTTP: what stands, what is pending, a step signed by its owners, and taken back."""
    with served(stage) as site:
        token = site.token("bea", stage.cast.bea, "approver")
        with Strongroom(site.url, token) as service_of_bea:
            assert len(service_of_bea.vault_configuration()["checks"]) == 10
            kinds = [one["change"]["kind"] for one in service_of_bea.vault_changes()]
            assert kinds == ["add_owner", "lower_limit"]
            [open_step] = service_of_bea.vault_steps()
            found = service_of_bea.vault_step(open_step["id"])
            with pytest.raises(Problem) as refused:
                service_of_bea.sign_vault_step(found["id"], "0x" + "11" * 65)
            assert refused.value.code == "vaults.signature_wrong"
            back = service_of_bea.withdraw_vault_step(found["id"], "not now")
            assert back["state"] == "withdrawn"
            change = service_of_bea.vault_changes()[1]["change"]
            made = service_of_bea.propose_vault_step(change)
            signature = sign(stage.cast.bea, made["typed_data"])
            again = service_of_bea.sign_vault_step(made["id"], signature)
            assert again["signed_by"] == [stage.cast.bea.address]
            governing.sign(UUID(made["id"]), stage.cast.amir)
            governing.drive(lambda: governing.state(UUID(made["id"])) == "done")
            assert service_of_bea.vault_step(made["id"])["state"] == "done"


def test_a_change_is_governed_from_the_command_line(
    stage: Stage, governing: Governing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / name for name in ("token", "ivo", "amir")}
    for name, who in (("ivo", stage.cast.ivo), ("amir", stage.cast.amir)):
        files[name].write_text(bytes(who.key).hex())

    with served(stage) as site:
        files["token"].write_text(site.token("ivo", stage.cast.ivo, "approver"))

        def tell(*words: str) -> str:
            where = ["--api", site.url, "--token-file", str(files["token"])]
            assert main(["vault", "changes", *words, *where]) == 0, capsys.readouterr().err
            return capsys.readouterr().out.strip().splitlines()[-1]

        governing.look()
        capsys.readouterr()
        assert main(["vault", "changes", "propose", "9", "--api", site.url,
                     "--token-file", str(files["token"])]) == 1  # fmt: skip
        assert "number of a pending change" in capsys.readouterr().err
        step = tell("propose", "1")
        assert "signing" in tell("sign", step, "--key-file", str(files["ivo"]))
        assert "the signer is asked" in tell("sign", step, "--key-file", str(files["amir"]))
        governing.drive(lambda: governing.state(UUID(step)) == "done")
        words = ["list", "--api", site.url, "--token-file", str(files["token"])]
        assert main(["vault", "changes", *words]) == 0
        assert f"{step}  add_owner announce: done, 2 of 2 signed" in capsys.readouterr().out
