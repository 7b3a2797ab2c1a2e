"""Chains by variables or by a file; what two chains may not share; what is not understood."""

from pathlib import Path

import pytest

from strongroom.config import Config, ConfigurationInvalid

TWO = """
[[chain]]
chain_id = 1
rpc_urls = ["http://a", "http://b"]
ws_urls = ["ws://a"]
private_rpc_urls = ["https://private"]
signer_socket = "one.sock"
confirmations = 12

[[chain]]
chain_id = 137
rpc_urls = ["http://p"]
signer_socket = "two.sock"
native_asset = "POL/18"
finality_depth = 256
set_code = false
"""


def read(folder: Path, text: str, **more: str) -> Config:
    file = folder / "chains.toml"
    file.write_text(text)
    return Config.from_environment({"STRONGROOM_CHAINS": str(file), **more})


def test_one_chain_comes_from_the_variables() -> None:
    names = {"CHAIN_ID": "10", "RPC_URLS": "http://a,http://b,http://c", "WS_URLS": "ws://a"}
    config = Config.from_environment({f"STRONGROOM_{key}": value for key, value in names.items()})
    (chain,) = config.chains
    assert chain == config.chain() == config.chain(10)
    assert (chain.rpc_agree, chain.ws_urls, chain.private_rpc_urls) == (2, ("ws://a",), ())
    assert (chain.confirmations, chain.finality_depth, chain.native_asset) == (1, 0, "ETH/18")
    assert (chain.set_code, chain.gas_low_transactions, chain.gas_full_transactions) == (
        True,
        50,
        200,
    )
    assert chain.balance_sweep_seconds == 600
    asked = {"STRONGROOM_BALANCE_SWEEP_SECONDS": "60"}
    assert Config.from_environment(asked).chain().balance_sweep_seconds == 60


def test_each_chain_of_the_file_has_its_own_settings(tmp_path: Path) -> None:
    config = read(tmp_path, TWO)
    first, second = config.chains
    assert first.rpc_urls == ("http://a", "http://b")
    assert (first.rpc_agree, second.rpc_agree) == (2, 1)
    assert (first.ws_urls, second.ws_urls) == (("ws://a",), ())
    assert first.private_rpc_urls == ("https://private",)
    assert (first.confirmations, second.confirmations) == (12, 1)
    assert (first.finality_depth, second.finality_depth) == (0, 256)
    assert (first.native_asset, second.native_asset) == ("ETH/18", "POL/18")
    assert (first.set_code, second.set_code) == (True, False)
    assert config.chain(137) is second
    with pytest.raises(ConfigurationInvalid, match=r"Which chain\? .*1, 137"):
        config.chain()
    with pytest.raises(ConfigurationInvalid, match="Chain 5 is not configured"):
        config.chain(5)


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("chain_id", "137", "1"),
        ("native_asset", "POL/18", "ETH/18"),
        ("signer_socket", "two.sock", "one.sock"),
    ],
)
def test_two_chains_never_share(tmp_path: Path, what: str, old: str, new: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=f"gives {what} .* to 2 chains"):
        read(tmp_path, TWO.replace(old, new))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "names no chain"),
        ("chain = 3", "can't be read as chains"),
        ("[[chain]\n", "can't be read as chains"),
        ('[[chain]]\nrpc_urls = ["http://a"]', "lacks its chain_id"),
        ("[[chain]]\nchain_id = 1\nrpc_url = 3", "'rpc_url' is nothing that a chain has"),
        ("[[chain]]\nchain_id = 1\nconfirmations = 0", "STRONGROOM_CONFIRMATIONS is '0'"),
        ('[[chain]]\nchain_id = 1\nnative_asset = "eth"', "write SYMBOL/decimals"),
        ("[[chain]]\nchain_id = 1\ngas_full_transactions = 1", "raise it"),
        ('[[chain]]\nchain_id = 1\nrpc_urls = ["http://a"]\nrpc_agree = 2', "names 1 nodes"),
    ],
)
def test_a_file_that_is_wrong_says_what(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=sentence):
        read(tmp_path, text)


def test_a_chain_is_not_said_in_two_places(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="STRONGROOM_RPC_URLS is set, too"):
        read(tmp_path, TWO, STRONGROOM_RPC_URLS="http://a")
    with pytest.raises(ConfigurationInvalid, match="can't be read as chains"):
        Config.from_environment({"STRONGROOM_CHAINS": str(tmp_path / "nowhere.toml")})


def test_urls_with_their_keys_stay_out_of_what_is_printed(tmp_path: Path) -> None:
    assert "http://a" not in repr(read(tmp_path, TWO))
    assert "ws://a" not in repr(read(tmp_path, TWO))
    assert "https://private" not in repr(read(tmp_path, TWO))


def test_networks_that_webhooks_may_reach_are_read_and_a_slip_is_said() -> None:
    name = "STRONGROOM_WEBHOOK_NETWORKS"
    config = Config.from_environment({name: "10.1.0.0/16, fd00::/8"})
    assert [str(network) for network in config.webhook_networks] == ["10.1.0.0/16", "fd00::/8"]
    assert Config.from_environment({}).webhook_networks == ()
    with pytest.raises(ConfigurationInvalid, match=f"{name}: 10.1.0.1/16 has host bits set"):
        Config.from_environment({name: "10.1.0.1/16"})
