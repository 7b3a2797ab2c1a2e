"""What `scripts/bench` prints is what its readers count on."""

import json

from benches.report import Pair, in_turns, report

ALWAYS = {
    "bench", "what", "figure", "unit", "raw_limit", "raw_limit_is", "ratio", "spread",
    "cpu_seconds", "fsync_us", "commit", "machine",
}  # fmt: skip


def test_the_last_line_is_json_with_the_common_keys(capsys) -> None:
    pairs = [Pair(50, 100), Pair(90, 100), Pair(60, 100)]
    report("x", "a thing", "things/s", pairs, raw_limit_is="a loop", more={"p99_ms": 3})
    out, err = capsys.readouterr()
    body = json.loads(out.splitlines()[-1])
    assert set(body) == ALWAYS | {"p99_ms"}
    assert set(body["machine"]) == {"cores", "python", "postgres"}
    assert body["ratio"] == 0.6
    assert body["spread"] == round(0.4 / 0.6, 4)
    assert "a thing" in err


def test_the_ratio_is_the_median_of_the_pairs_not_the_ratio_of_medians(capsys) -> None:
    pairs = [Pair(10, 10), Pair(10, 100), Pair(100, 110)]
    body = report("x", "a thing", "things/s", pairs, raw_limit_is="a loop")
    capsys.readouterr()
    assert body["ratio"] == round(100 / 110, 4)


def test_ours_and_the_raw_limit_take_turns_at_going_first() -> None:
    order: list[str] = []

    def ours() -> float:
        order.append("ours")
        return 1.0

    def raw() -> float:
        order.append("raw")
        return 2.0

    pairs = in_turns(ours, raw, turns=4)
    assert order == ["ours", "raw", "raw", "ours", "ours", "raw", "raw", "ours"]
    assert {pair.ratio for pair in pairs} == {0.5}
