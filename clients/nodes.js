// The two nodes that are compared: started fresh, on the same chain by the same rules.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { caller } from './rpc.js';
import { folder } from './compile.js';

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
// As both have it: the chain id and the accounts of every development node.
const SAME = ['--hardfork', 'osaka', '--gas-limit', '30000000', '--base-fee', '1000000000', '--silent'];

/** A tool of foundry's: the platform package holds the binary. */
export const foundry = (name) => join(folder, 'node_modules', '@foundry-rs', `${name}-linux-amd64`, 'bin', name);

/** Where the nodes' binaries are; missing ones are undefined. */
export function binaries() {
  const existing = (...paths) => paths.find((path) => path && existsSync(path));
  return {
    anvil: existing(process.env.MOTET_ANVIL, foundry('anvil')),
    motet: existing(
      process.env.MOTET_BIN,
      join(folder, '..', 'target', 'release', 'motet'),
      join(folder, '..', 'target', 'verify', 'motet'),
    ),
  };
}

function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Starts a node and waits until it answers. `stop` ends it and removes what it wrote. */
export async function start(name, binary, extra = []) {
  const port = await freePort();
  const data = mkdtempSync(join(tmpdir(), `motet-clients-${name}-`));
  const own = name === 'motet' ? ['dev', '--data', join(data, 'chain')] : [];
  const child = spawn(binary, [...own, '--port', String(port), ...SAME, ...extra], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said = (said + chunk).slice(-4096)));
  let ended;
  const gone = new Promise((done) => {
    child.on('error', (error) => done((ended = `cannot be started: ${error.message}`)));
    child.on('exit', (code, signal) => done((ended = `ended with ${signal ?? `exit code ${code}`}`)));
  });
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + START_MS_MAX;
  for (;;) {
    try {
      await caller(url)('eth_chainId');
      // The flag is the base fee of both blocks 0 and 1 to anvil; EIP-1559, which Motet keeps to, comes to 7/8 of it.
      await caller(url)('anvil_setNextBlockBaseFeePerGas', '0x3b9aca00');
      break;
    } catch {
      // Not yet.
    }
    if (ended || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`${name} (${binary}) ${ended ?? 'does not answer'}: ${said.trim()}`);
    }
    await new Promise((done) => setTimeout(done, 25));
  }
  const stop = async () => {
    const early = ended;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await gone;
    clearTimeout(timer);
    rmSync(data, { recursive: true, force: true });
    if (early) throw new Error(`${name} ${early} while it was used: ${said.trim()}`);
    // anvil does not promise this; Motet does.
    if (name === 'motet' && child.exitCode !== 0) throw new Error(`motet ${ended} on SIGTERM: ${said.trim()}`);
  };
  return { url, stop, pid: child.pid };
}
