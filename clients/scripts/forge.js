// forge: a project built, `forge create`, `forge script --broadcast`, and a test on a fork of the node.
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { folder } from '../compile.js';
import { foundry } from '../nodes.js';
import { main } from '../record.js';
import { accounts, caller, keys } from '../rpc.js';

const SETTINGS = `[profile.default]
solc = "${join(folder, 'solc-for-forge')}"
evm_version = "cancun"
optimizer = true
optimizer_runs = 200
bytecode_hash = "none"
cbor_metadata = false
offline = true
`;

const ON_A_FORK = `// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;
import "../src/Probe.sol";
contract OnAForkTest {
    function test_the_probe_is_there() public {
        Probe probe = Probe(payable(PROBE));
        require(probe.stored() == 7, "stored");
        probe.store(100, "on a fork");
        require(probe.stored() == 100, "stored on the fork");
        require(address(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266).balance > 9000 ether, "balance");
    }
}
`;

await main(async ({ url, note }) => {
  const home = mkdtempSync(join(tmpdir(), 'motet-clients-forge-'));
  for (const part of ['src', 'script', 'test']) mkdirSync(join(home, part));
  copyFileSync(join(folder, 'contracts', 'Probe.sol'), join(home, 'src', 'Probe.sol'));
  copyFileSync(join(folder, 'contracts', 'Deploy.s.sol'), join(home, 'script', 'Deploy.s.sol'));
  writeFileSync(join(home, 'foundry.toml'), SETTINGS);
  const env = { ...process.env, HOME: home, NO_COLOR: '1', FOUNDRY_DISABLE_NIGHTLY_WARNING: '1' };
  const forge = (...args) =>
    new Promise((done, fail) => {
      execFile(foundry('forge'), args, { env, cwd: home, timeout: 240_000, maxBuffer: 1 << 26 }, (error, out, said) => {
        if (error) fail({ shortMessage: `${said} ${out}`.trim().split('\n').slice(-12).join(' | ') });
        else done(out.trim());
      });
    });
  const call = caller(url);
  const at = ['--rpc-url', url, '--private-key', keys[0]];

  await note('build', async () => (await forge('build')) && 'built');
  await note('create', async () => {
    const made = JSON.parse(await forge('create', 'src/Probe.sol:Probe', ...at, '--broadcast', '--json', '--value', '3', '--constructor-args', '11', 'by forge'));
    return { made, receipt: await call('eth_getTransactionReceipt', made.transactionHash) };
  });
  await note('create without broadcast', async () => (await forge('create', 'src/Probe.sol:Probe', ...at, '--constructor-args', '11', 'by forge')).includes('Warning') || 'simulated');
  await note('script', async () => {
    await forge('script', 'script/Deploy.s.sol:Deploy', ...at, '--sender', accounts[0], '--broadcast', '--slow');
    const run = JSON.parse(readFileSync(join(home, 'broadcast', 'Deploy.s.sol', '31337', 'run-latest.json'), 'utf8'));
    return { receipts: run.receipts, calls: run.transactions.map(({ transactionType, contractName, function: of, hash }) => ({ transactionType, contractName, of, hash })) };
  });
  // Further on, how many transactions a block holds and so the base fee is a matter of time.
  await note('balances', Promise.all(accounts.map((account) => call('eth_getBalance', account, 'latest'))));
  await note('script, all at once', async () => {
    await forge('script', 'script/Deploy.s.sol:Deploy', ...at, '--sender', accounts[0], '--broadcast');
    const run = JSON.parse(readFileSync(join(home, 'broadcast', 'Deploy.s.sol', '31337', 'run-latest.json'), 'utf8'));
    return run.receipts.map(({ status, gasUsed, contractAddress }) => ({ status, gasUsed, contractAddress }));
  });
  await note('script with the fees of old', async () => {
    await forge('script', 'script/Deploy.s.sol:Deploy', ...at, '--sender', accounts[0], '--broadcast', '--legacy');
    const run = JSON.parse(readFileSync(join(home, 'broadcast', 'Deploy.s.sol', '31337', 'run-latest.json'), 'utf8'));
    return run.receipts.map(({ status, gasUsed, type }) => ({ status, gasUsed, type }));
  });
  await note('test on a fork', async () => {
    const run = JSON.parse(readFileSync(join(home, 'broadcast', 'Deploy.s.sol', '31337', 'run-latest.json'), 'utf8'));
    const { contractAddress } = run.receipts.find((receipt) => receipt.contractAddress);
    writeFileSync(join(home, 'test', 'OnAFork.t.sol'), ON_A_FORK.replace('PROBE', (await import('ethers')).getAddress(contractAddress)));
    const result = JSON.parse(await forge('test', '--fork-url', url, '--json', '--no-storage-caching'));
    return Object.values(result).flatMap(({ test_results: results }) => Object.entries(results).map(([name, { status, reason }]) => [name, status, reason]));
  });
  rmSync(home, { recursive: true, force: true });
});
