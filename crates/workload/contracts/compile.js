// Compiles every .sol file beside it into compiled.json. Run it through compile.sh, which provides
// the one version of solc whose output is committed.
"use strict";
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const folder = __dirname;
const files = fs.readdirSync(folder).filter((name) => name.endsWith(".sol")).sort();
const settings = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 200 },
  // Without the metadata trailer the bytecode depends on nothing but code and settings.
  metadata: { appendCBOR: false, bytecodeHash: "none" },
};
const outputSelection = {
  "*": { "*": ["evm.bytecode.object", "evm.deployedBytecode.object", "evm.methodIdentifiers", "metadata", "storageLayout"] },
};

const contracts = {};
for (const file of files) {
  const content = fs.readFileSync(path.join(folder, file), "utf8");
  const input = { language: "Solidity", sources: { [file]: { content } }, settings: { ...settings, outputSelection } };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  for (const problem of output.errors ?? []) {
    console.error(problem.formattedMessage);
  }
  if (output.errors) process.exit(1);
  for (const [name, artifact] of Object.entries(output.contracts?.[file] ?? {})) {
    // Interfaces have no code.
    if (artifact.evm.deployedBytecode.object === "") continue;
    const storage = {};
    for (const entry of artifact.storageLayout.storage) {
      storage[entry.label] = { slot: Number(entry.slot), offset: entry.offset, type: entry.type };
    }
    contracts[name] = {
      source: file,
      sourceKeccak256: JSON.parse(artifact.metadata).sources[file].keccak256,
      selectors: artifact.evm.methodIdentifiers,
      storage,
      creation: "0x" + artifact.evm.bytecode.object,
      runtime: "0x" + artifact.evm.deployedBytecode.object,
    };
  }
}
const compiled = { compiler: solc.version(), settings, contracts };
fs.writeFileSync(path.join(folder, "compiled.json"), JSON.stringify(compiled, null, 2) + "\n");
