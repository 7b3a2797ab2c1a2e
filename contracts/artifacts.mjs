// Writes the bytecode and the ABIs that the Python side needs:
//   src/strongroom_protocol/artifacts.json   the contracts that the service deploys and recomputes
//   scripts/first_day/test_dollar.json       the token of the first day
// Safe's bytecode is the official one of the npm package, byte for byte. `--check` writes nothing
// and fails if a file is stale. Start it through `scripts/contracts artifacts`.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import sha3 from "js-sha3";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const official = join(
  root, "contracts/node_modules/@safe-global/safe-smart-account/build/artifacts/contracts");
const built = join(root, "contracts/out");

// The functions, events and errors that Python encodes or decodes; null = all of them.
const parts = {
  SafeL2: {
    file: join(official, "SafeL2.sol/SafeL2.json"),
    names: [
      "setup", "execTransaction", "getTransactionHash", "nonce", "getOwners", "getThreshold",
      "getStorageAt", "getModulesPaginated", "domainSeparator", "VERSION", "SafeSetup",
      "SafeReceived", "SafeMultiSigTransaction", "ExecutionSuccess", "ExecutionFailure",
      "ChangedGuard", "ChangedModuleGuard", "addOwnerWithThreshold", "removeOwner", "swapOwner",
      "changeThreshold", "setGuard", "setModuleGuard", "setFallbackHandler", "enableModule",
      "disableModule", "AddedOwner", "RemovedOwner", "ChangedThreshold", "EnabledModule",
      "DisabledModule", "ChangedFallbackHandler",
    ],
  },
  SafeProxyFactory: {
    file: join(official, "proxies/SafeProxyFactory.sol/SafeProxyFactory.json"),
    names: ["createProxyWithNonce", "proxyCreationCode", "ProxyCreation"],
  },
  SafeProxy: { file: join(official, "proxies/SafeProxy.sol/SafeProxy.json"), names: [] },
  MultiSendCallOnly: {
    file: join(official, "libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json"),
    names: ["multiSend"],
  },
  VaultExit: { file: join(built, "VaultExit.sol/VaultExit.json"), names: null },
  PermitGuard: {
    file: join(built, "PermitGuard.sol/PermitGuard.json"),
    names: null,
    immutables: ["exitModule", "multiSendCallOnly"],
  },
  VaultSetup: { file: join(built, "VaultSetup.sol/VaultSetup.json"), names: null },
  SweepDelegate: {
    file: join(built, "SweepDelegate.sol/SweepDelegate.json"),
    names: null,
    immutables: ["vault", "batcher"],
  },
  SweepBatcher: {
    file: join(built, "SweepBatcher.sol/SweepBatcher.json"), names: null, immutables: ["relay"],
  },
  LogAnchor: {
    file: join(built, "LogAnchor.sol/LogAnchor.json"), names: null, immutables: ["quorum"],
  },
};

const keccak = (hex) => "0x" + sha3.keccak256(Buffer.from(hex.slice(2), "hex"));
const text = (code) => (typeof code === "string" ? code : code.object);
const byName = (a, b) => (a.type + a.name < b.type + b.name ? -1 : 1);

function trim(abi, names) {
  const wanted = abi.filter((e) => e.type === "constructor" || !names || names.includes(e.name));
  for (const name of names ?? []) {
    if (!abi.some((e) => e.name === name)) throw new Error(`the ABI has no ${name}: fix the list`);
  }
  const strip = ({ internalType, ...rest }) =>
    rest.components ? { ...rest, components: rest.components.map(strip) } : rest;
  return wanted.sort(byName).map(({ anonymous, ...e }) => ({
    ...e,
    ...(e.inputs && { inputs: e.inputs.map(strip) }),
    ...(e.outputs && { outputs: e.outputs.map(strip) }),
  }));
}

// Where each immutable stands in the runtime code, in the order the constructor takes them. solc
// numbers immutables by their declaration, so the numbers' order is the order in the source.
function placeImmutables(name, artifact, names) {
  const found = artifact.deployedBytecode.immutableReferences ?? {};
  const ids = Object.keys(found).map(Number).sort((a, b) => a - b);
  if (ids.length !== names.length) throw new Error(`${name}: ${ids.length} immutables found`);
  return Object.fromEntries(names.map((n, i) => [n, found[ids[i]].map((place) => place.start)]));
}

function describe(name, { file, names, immutables }) {
  const artifact = JSON.parse(readFileSync(file, "utf8"));
  const runtime = text(artifact.deployedBytecode);
  const entry = { creation: text(artifact.bytecode), runtime_keccak: keccak(runtime) };
  if (immutables) {
    // The deployed code has 32-byte words put in at these places: the template is needed to
    // compute a deployed contract's code hash.
    delete entry.runtime_keccak;
    entry.runtime_template = runtime;
    entry.immutables = placeImmutables(name, artifact, immutables);
  }
  return { ...entry, abi: trim(artifact.abi, names) };
}

function settle(path, content) {
  const file = join(root, path);
  const fresh = JSON.stringify(content, null, 1) + "\n";
  let kept = "";
  try { kept = readFileSync(file, "utf8"); } catch { /* first time */ }
  if (kept === fresh) return true;
  if (process.argv.includes("--check")) {
    console.error(`${path} is stale: a contract changed. Run scripts/contracts artifacts.`);
    return false;
  }
  writeFileSync(file, fresh);
  console.log(`wrote ${path}`);
  return true;
}

const main = Object.fromEntries(Object.entries(parts).map(([n, part]) => [n, describe(n, part)]));
const dollar = JSON.parse(readFileSync(join(built, "TestDollar.sol/TestDollar.json"), "utf8"));
const results = [
  settle("src/strongroom_protocol/artifacts.json", main),
  settle("scripts/first_day/test_dollar.json",
    { creation: text(dollar.bytecode), abi: trim(dollar.abi, null) }),
];
process.exitCode = results.every(Boolean) ? 0 : 1;
