// Whose a deposit address is, computed in this browser: the EIP-712 digest of the statement that the
// signer's attest key signed, and the address's place in the officers' manifest (RFC 9162).

import { keccak256 } from "./keccak.js";
import { bytesOf, hexOf, recoverAddress } from "./secp256k1.js";

const text = (words) => new TextEncoder().encode(words);
const join = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
const word = (bytes) => join(new Uint8Array(32 - bytes.length), bytes);
const uint256 = (value) => bytesOf("0x" + BigInt(value).toString(16).padStart(64, "0"));
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

export function statementDigest(organisation, path, address, chainId) {
  const domain = keccak256(
    join(
      keccak256(text("EIP712Domain(string name,string version,uint256 chainId)")),
      keccak256(text("Strongroom")),
      keccak256(text("1")),
      uint256(chainId),
    ),
  );
  const statement = keccak256(
    join(
      keccak256(text("AddressProvenance(bytes32 organisation,string path,address account)")),
      bytesOf(organisation),
      keccak256(text(path)),
      word(bytesOf(address)),
    ),
  );
  return keccak256(join(text("\x19\x01"), domain, statement));
}

async function rootOf(leaf, index, count, proof) {
  let [at, last, found] = [index, count - 1, leaf];
  for (const node of proof) {
    if (last === 0 || node.length !== 32) return "";
    if (at % 2 === 1 || at === last) {
      found = await sha256(join([1], node, found));
      while (at !== 0 && at % 2 === 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else {
      found = await sha256(join([1], found, node));
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 && index >= 0 && index < count ? hexOf(found) : "";
}

// Resolves to the address of the key that vouches for it; rejects with a sentence for people.
export async function verify({ organisation, chainId, path, address, index, signature, proof, root, count }) {
  const place = /^m\/44'\/60'\/(?:0|[1-9][0-9]*)'\/0\/(0|[1-9][0-9]*)$/.exec(path);
  if (!place || Number(place[1]) !== index || !/^0x[0-9a-f]{40}$/i.test(address)) {
    throw new Error("Path and address do not belong together.");
  }
  const leaf = await sha256(join([0], text(path), [0], bytesOf(address)));
  if ((await rootOf(leaf, index, count, proof.map(bytesOf))) !== root.toLowerCase()) {
    throw new Error("It is not in the custody officers' list of addresses.");
  }
  return recoverAddress(statementDigest(organisation, path, address, chainId), bytesOf(signature));
}
