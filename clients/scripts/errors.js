// What a node answers to what it should not be sent: over plain HTTP, as it was sent.
import { ethers } from 'ethers';
import { main } from '../record.js';
import { accounts, caller, keys, post, until } from '../rpc.js';

// Of an answer, what two nodes have to agree on. Messages are each node's own.
const seen = ({ status, body, text }) => {
  const one = (answer) => (answer && typeof answer === 'object' ? { id: answer.id, code: answer.error?.code, result: answer.result } : answer);
  if (body === undefined) return { status, text: text.length > 0 };
  return { status, answer: Array.isArray(body) ? body.map(one) : one(body) };
};

await main(async ({ url, note }) => {
  const call = caller(url);
  const raw = (name, body, headers) => note(name, async () => seen(await post(url, body, headers)));
  const ask = (name, method, ...params) => raw(name, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));

  await raw('no JSON', '{"jsonrpc":');
  await raw('nothing', '');
  await raw('a number', '5');
  await raw('an empty object', '{}');
  await raw('an empty batch', '[]');
  await raw('a batch of numbers', '[1,2]');
  await raw('without a method', '{"jsonrpc":"2.0","id":1}');
  await raw('without parameters', '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}');
  await raw('parameters are null', '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":null}');
  await raw('parameters are an object', '{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":{"address":"0x0"}}');
  await raw('id is a text', '{"jsonrpc":"2.0","id":"seven","method":"eth_chainId","params":[]}');
  await raw('id is null', '{"jsonrpc":"2.0","id":null,"method":"eth_chainId","params":[]}');
  await raw('version 1', '{"jsonrpc":"1.0","id":1,"method":"eth_chainId","params":[]}');
  await raw('another content type', '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}', { 'content-type': 'text/plain' });
  await raw('a batch', JSON.stringify([1, 'two', 3].map((id) => ({ jsonrpc: '2.0', id, method: id === 3 ? 'eth_nothing' : 'eth_chainId', params: [] }))));
  await ask('an unknown method', 'eth_nothing');
  await ask('an unknown namespace', 'nothing_at_all');
  await ask('no address', 'eth_getBalance');
  await ask('a short address', 'eth_getBalance', '0x12', 'latest');
  await ask('an address without 0x', 'eth_getBalance', accounts[0].slice(2), 'latest');
  await ask('an unknown tag', 'eth_getBalance', accounts[0], 'newest');
  await ask('a block that is not there', 'eth_getBalance', accounts[0], '0xffffff');
  await ask('a block by a hash that is not there', 'eth_getBalance', accounts[0], { blockHash: ethers.ZeroHash });
  await ask('block with a number that is no text', 'eth_getBlockByNumber', 1, false);
  await ask('too many parameters', 'eth_chainId', 1, 2, 3);
  await ask('no signature', 'eth_sendRawTransaction', '0x1234');
  await ask('nothing raw', 'eth_sendRawTransaction', '0x');
  await ask('an unknown type', 'eth_sendRawTransaction', '0x7fc0');
  await ask('a sender who is not unlocked', 'eth_sendTransaction', { from: '0x00000000000000000000000000000000000000aa', to: accounts[0], value: '0x1' });
  await ask('a call with too much data', 'eth_call', { to: accounts[0], data: '0x1' }, 'latest');
  await ask('data and input differ', 'eth_call', { to: accounts[0], data: '0x11', input: '0x22' }, 'latest');
  await ask('a call by who is too poor', 'eth_call', { from: '0x00000000000000000000000000000000000000aa', to: accounts[0], value: '0x1' }, 'latest');
  await ask('an estimate for who is too poor', 'eth_estimateGas', { from: '0x00000000000000000000000000000000000000aa', to: accounts[0], value: '0x1' });
  await ask('logs backwards', 'eth_getLogs', { fromBlock: '0x5', toBlock: '0x1' });
  await ask('logs of the future', 'eth_getLogs', { fromBlock: '0x500', toBlock: '0x501' });
  await ask('logs by hash and number', 'eth_getLogs', { fromBlock: '0x0', blockHash: ethers.ZeroHash });
  await ask('logs of a block that is not there', 'eth_getLogs', { blockHash: ethers.ZeroHash });
  await ask('history of no blocks', 'eth_feeHistory', '0x0', 'latest', []);
  await ask('history with wrong percentiles', 'eth_feeHistory', '0x1', 'latest', [50, 20]);
  await ask('a trace of nothing', 'debug_traceTransaction', ethers.ZeroHash, {});
  await ask('an unknown tracer', 'debug_traceCall', { to: accounts[0] }, 'latest', { tracer: 'noSuchTracer' });
  await ask('safe', 'eth_getBlockByNumber', 'safe', false).catch(() => null);
  await ask('finalized', 'eth_getBlockByNumber', 'finalized', false).catch(() => null);

  const wallet = new ethers.Wallet(keys[0]);
  const transaction = { type: 2, chainId: 31337n, nonce: 0, to: accounts[1], value: 1n, gasLimit: 21_000n, maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1n };
  const send = async (name, changes) => ask(name, 'eth_sendRawTransaction', await wallet.signTransaction({ ...transaction, ...changes }));
  await send('another chain', { chainId: 5n });
  await send('too little gas', { gasLimit: 20_000n });
  await send('too much gas', { gasLimit: 100_000_000n });
  await send('too poor', { value: 10n ** 30n });
  await send('well', {});
  await until(async () => (await call('eth_getTransactionCount', accounts[0], 'latest')) === '0x1');
  await send('nonce too low', {});
  await note('who sent', call('eth_getTransactionCount', accounts[0], 'latest'));
  await call('evm_setAutomine', false);
  await send('waiting', { nonce: 1 });
  await send('known already', { nonce: 1 });
  await send('underpriced replacement', { nonce: 1, value: 2n });
  await send('replacement', { nonce: 1, value: 3n, maxFeePerGas: 6_000_000_000n, maxPriorityFeePerGas: 100n });
  await send('a gap', { nonce: 5 });
  await note('pool', call('txpool_status'));
  await note('nonce of the pending block', call('eth_getTransactionCount', accounts[0], 'pending'));
  await note('content of the pool', call('txpool_content'));
  await note('summary of the pool', call('txpool_inspect'));
  await call('evm_mine');
  await note('pool after a block', call('txpool_status'));
  // Last: a node may keep it until the base fee has fallen.
  await send('a fee below the base fee', { nonce: 2, maxFeePerGas: 2n, maxPriorityFeePerGas: 1n });
  await note('what was mined', async () => (await call('eth_getBlockByNumber', 'latest', true)).transactions);
});
