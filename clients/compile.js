// Solidity by solc from npm: nothing is downloaded, and the bytecode is the same on every machine.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const EVM_VERSION = 'cancun';

// A file of this folder, or of a package.
function source(path) {
  try {
    return { contents: readFileSync(new URL(`./contracts/${path}`, import.meta.url), 'utf8') };
  } catch {
    try {
      return { contents: readFileSync(require.resolve(path), 'utf8') };
    } catch (error) {
      return { error: String(error) };
    }
  }
}

/** The contracts of one file of `contracts/`: `{ Name: { abi, bytecode } }`. */
export function compile(file) {
  const solc = require('solc');
  const input = {
    language: 'Solidity',
    sources: { [file]: { content: source(file).contents } },
    settings: {
      optimizer: { enabled: true, runs: 200 },
      evmVersion: EVM_VERSION,
      metadata: { bytecodeHash: 'none' },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: source }));
  const errors = (output.errors ?? []).filter((error) => error.severity === 'error');
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join('\n'));
  const contracts = Object.entries(output.contracts[file]);
  return Object.fromEntries(
    contracts.map(([name, made]) => [name, { abi: made.abi, bytecode: `0x${made.evm.bytecode.object}` }]),
  );
}

/** Where a published artifact of a package lies. */
export function artifact(path) {
  const { abi, bytecode } = JSON.parse(readFileSync(require.resolve(path), 'utf8'));
  return { abi, bytecode: bytecode.startsWith('0x') ? bytecode : `0x${bytecode}` };
}

export const folder = fileURLToPath(new URL('.', import.meta.url));
