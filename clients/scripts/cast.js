// cast: what people type.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile } from '../compile.js';
import { foundry } from '../nodes.js';
import { main } from '../record.js';
import { accounts, keys } from '../rpc.js';

await main(async ({ url, note }) => {
  const home = mkdtempSync(join(tmpdir(), 'motet-clients-cast-'));
  // A home of its own: no settings of whoever runs this, and nothing is left behind.
  const env = { ...process.env, HOME: home, ETH_RPC_URL: url, NO_COLOR: '1', FOUNDRY_DISABLE_NIGHTLY_WARNING: '1' };
  const cast = (...args) =>
    new Promise((done, fail) => {
      execFile(foundry('cast'), args, { env, cwd: home, timeout: 60_000 }, (error, out, said) => {
        if (error) fail({ shortMessage: said.trim().split('\n').filter((line) => !line.startsWith('Warning')).join(' | ') || String(error) });
        else done(out.trim());
      });
    });
  const json = async (...args) => JSON.parse(await cast(...args));
  const key = ['--private-key', keys[0]];

  for (const command of ['chain-id', 'chain', 'client', 'block-number', 'gas-price', 'base-fee']) {
    if (command !== 'client') await note(command, cast(command));
  }
  await note('balance', cast('balance', accounts[0]));
  await note('balance in ether', cast('balance', accounts[0], '--ether'));
  await note('nonce', cast('nonce', accounts[0]));
  await note('send', json('send', accounts[1], '--value', '1ether', ...key, '--json'));
  await note('send legacy', json('send', accounts[1], '--value', '1gwei', '--legacy', '--gas-price', '3gwei', ...key, '--json'));
  await note('send by an unlocked account', json('send', accounts[1], '--value', '1', '--from', accounts[2], '--unlocked', '--json'));
  const { Probe } = compile('Probe.sol');
  const encoded = await cast('abi-encode', 'constructor(uint256,string)', '7', 'by cast');
  const created = await json('send', ...key, '--json', '--create', Probe.bytecode + encoded.slice(2));
  await note('send --create', created);
  const probe = created.contractAddress;
  await note('call', cast('call', probe, 'stored()(uint256)'));
  await note('call of a name', cast('call', probe, 'name()(string)'));
  await note('call of many values', cast('call', probe, 'environment()(uint256,uint256,uint256,address,uint256)'));
  await note('call that fails', cast('call', probe, 'failWithText()'));
  await note('call that fails with an error', cast('call', probe, 'failWithError(uint256)', '5'));
  await note('call with a changed state', cast('call', probe, 'stored()(uint256)', '--override-state-diff', `${probe}:0:0x63`));
  await note('call in a changed block', cast('call', probe, 'environment()(uint256,uint256,uint256,address,uint256)', '--block.number', '1234'));
  const sent = await json('send', probe, 'store(uint256,string)', '9', 'cast', ...key, '--json');
  await note('send to a contract', sent);
  await note('send that fails', cast('send', probe, 'failWithText()', ...key));
  await note('estimate', cast('estimate', probe, 'store(uint256,string)', '10', 'estimated', '--from', accounts[0]));
  await note('estimate that fails', cast('estimate', probe, 'failWithText()'));
  await note('storage', cast('storage', probe, '0'));
  await note('code', async () => (await cast('code', probe)).length);
  await note('codesize', cast('codesize', probe));
  await note('codehash', cast('codehash', probe));
  await note('implementation', cast('implementation', probe));
  await note('nonce of a contract', cast('nonce', probe));
  await note('receipt', json('receipt', sent.transactionHash, '--json'));
  await note('receipt field', cast('receipt', sent.transactionHash, 'gasUsed'));
  await note('tx', json('tx', sent.transactionHash, '--json'));
  await note('tx --raw', cast('tx', sent.transactionHash, '--raw'));
  await note('tx that is not there', cast('tx', `0x${'11'.repeat(32)}`));
  await note('block', json('block', 'latest', '--json'));
  await note('block field', cast('block', '2', '--field', 'gasUsed'));
  await note('logs', json('logs', '--from-block', '0', '--address', probe, '--json'));
  await note('logs of an event', json('logs', '--from-block', '0', 'Stored(address indexed,uint256 indexed,string)', accounts[0], '--json'));
  await note('rpc', json('rpc', 'eth_getBlockTransactionCountByNumber', 'latest'));
  await note('rpc of an unknown method', cast('rpc', 'eth_nothing'));
  await note('proof', async () => {
    const { accountProof, storageHash, storageProof, ...rest } = await json('proof', probe, '0');
    return { ...rest, storageHash, values: storageProof.map(({ key, value }) => ({ key, value })), isThere: accountProof.length > 0 };
  });
  await note('access-list', json('access-list', probe, 'store(uint256,string)', '11', 'listed', '--from', accounts[0], '--json').then(({ accessList, gasUsed }) => ({ gasUsed, accessList })));
  await note('mktx and publish', async () => {
    const raw = await cast('mktx', accounts[1], '--value', '5', ...key);
    return json('publish', raw, '--json');
  });
  await note('publish twice', async () => {
    const raw = await cast('mktx', accounts[1], '--value', '6', ...key);
    await cast('publish', raw);
    return cast('publish', raw);
  });
  await note('send with an authorization', json('send', accounts[3], '--auth', probe, '--private-key', keys[3], '--json'));
  await note('code of who is delegated', cast('code', accounts[3]));
  await note('send with a blob', async () => {
    const blob = join(home, 'blob');
    writeFileSync(blob, 'what is in a blob');
    return json('send', accounts[1], '--blob', '--path', blob, '--gas-limit', '21000', ...key, '--json');
  });
  await note('run', async () => {
    const text = await cast('run', sent.transactionHash, '--quick', '--disable-labels');
    return text.split('\n').filter((line) => /store|emit|Stop|Return|Gas used|successful/.test(line)).map((line) => line.trim());
  });
  await note('wallet sign', cast('wallet', 'sign', 'hello', ...key));
  await note('send without waiting', async () => {
    const hash = await cast('send', accounts[1], '--value', '1', '--async', ...key);
    return json('receipt', hash, '--json');
  });
  await note('find-block', cast('find-block', '4000000000'));
  await note('index of blocks', async () => (await cast('block-number')));
  await note('balances', Promise.all(accounts.map((account) => cast('balance', account))));
  await note('balance in the past', cast('balance', accounts[1], '--block', '1'));
  // One node takes it, so that its chain is another from here on.
  await note('send with a blob as before Osaka', async () => {
    const blob = join(home, 'blob');
    return json('send', accounts[1], '--blob', '--eip4844', '--path', blob, '--gas-limit', '21000', ...key, '--json');
  });
  rmSync(home, { recursive: true, force: true });
});
