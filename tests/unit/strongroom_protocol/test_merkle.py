import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.addresses import Address
from strongroom_protocol.merkle import (
    EMPTY_ROOT,
    Edge,
    ProofInvalid,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    manifest_leaf,
    root,
    verify_consistency,
    verify_inclusion,
)

# Leaves and roots of the reference implementation of RFC 6962.
CONTENTS = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(content) for content in CONTENTS]
SIZES = st.integers(1, 70)


def tree(size):
    return [leaf_hash(bytes([i])) for i in range(size)]


def recursive_root(leaves):
    """MTH as RFC 6962, 2.1 writes it."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = recursive_root(leaves[:split]), recursive_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_of_the_rfc_6962_reference(size):
    assert root(LEAVES[:size]).hex() == ROOTS[size - 1]


@given(st.integers(0, 70))
def test_root_equals_the_rfcs_recursion(size):
    assert root(tree(size)) == recursive_root(tree(size))


def test_the_kept_tree_proves_as_the_recursion_does():
    for size in range(68):
        leaves = [leaf_hash(bytes([number])) for number in range(size)]
        tree = Tree(leaves)
        assert (tree.size, tree.root()) == (size, root(leaves))
        for index in range(size):
            assert tree.inclusion_proof(index) == inclusion_proof(leaves, index)
        for wrong in (-1, size):
            with pytest.raises(ProofInvalid):
                tree.inclusion_proof(wrong)


def test_proofs_of_the_rfc_6962_reference():
    assert [item.hex() for item in inclusion_proof(LEAVES, 5)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [item.hex() for item in consistency_proof(LEAVES, 6)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(SIZES, st.data())
def test_inclusion_holds_and_any_change_breaks_it(size, data):
    leaves = tree(size)
    index = data.draw(st.integers(0, size - 1))
    proof, top = inclusion_proof(leaves, index), root(leaves)
    verify_inclusion(leaves[index], index, size, proof, top)
    bad = [
        (leaf_hash(b"other"), index, size, proof, top),
        (leaves[index], index, size, proof, bytes(32)),
        (leaves[index], index, size, [*proof, top], top),
        (leaves[index], size, size, proof, top),
        (leaves[index], -1, size, proof, top),
    ]
    if proof:
        bad.append((leaves[index], index, size, proof[:-1], top))
        bad.append((leaves[index], index, size, [bytes(32), *proof[1:]], top))
        bad.append((leaves[index], index, size, [proof[0][:31], *proof[1:]], top))
        bad.append((leaves[index], index ^ 1, size, proof, top))
    for case in bad:
        with pytest.raises(ProofInvalid):
            verify_inclusion(*case)


@given(SIZES, st.data())
def test_consistency_holds_and_a_rewritten_past_breaks_it(size, data):
    leaves = tree(size)
    first = data.draw(st.integers(1, size))
    proof, old, new = consistency_proof(leaves, first), root(leaves[:first]), root(leaves)
    verify_consistency(first, old, size, new, proof)
    forged = [leaf_hash(b"rewritten"), *leaves[1:]]
    bad = [
        (first, old, size, root(forged), consistency_proof(forged, first)),
        (first, root(forged[:first]), size, new, proof),
        (first, old, size, bytes(32), proof),
        (first, old, size, new, [*proof, new]),
        (0, old, size, new, proof),
        (size + 1, old, size, new, proof),
    ]
    bad += [
        (first, old, size, new, [*proof[:i], bytes(32), *proof[i + 1 :]]) for i in range(len(proof))
    ]
    for case in bad:
        with pytest.raises(ProofInvalid):
            verify_consistency(*case)


@given(st.integers(0, 70), st.integers(0, 70))
def test_the_edge_grows_like_the_tree(first, more):
    leaves = tree(first + more)
    edge = Edge.empty().extend(leaves[:first])
    assert edge.root() == root(leaves[:first])
    assert edge.extend(leaves[first:]).root() == root(leaves)
    assert Edge.empty().append(leaf_hash(b"")).root() == leaf_hash(b"")


def test_an_edge_of_another_size_is_refused():
    assert Edge.empty().root() == EMPTY_ROOT
    with pytest.raises(ProofInvalid):
        Edge(3, (bytes(32),))


def test_the_manifest_leaf_binds_path_and_address():
    address = Address(b"\7" * 20)
    assert manifest_leaf("m/44'/60'/7'/0/1", address) == (
        hashlib.sha256(b"\0m/44'/60'/7'/0/1\0" + address).digest()
    )
