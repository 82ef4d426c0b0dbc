// WebSocket: subscriptions as they come, and ethers over the same socket.
import { ethers } from 'ethers';
import WebSocket from 'ws';
import { compile } from '../compile.js';
import { main } from '../record.js';
import { accounts, caller, keys, receiptOf, until } from '../rpc.js';

/** A socket that answers calls and keeps what subscriptions bring. */
async function connect(address) {
  const socket = new WebSocket(address);
  const waiting = new Map();
  const brought = new Map();
  let id = 0;
  socket.on('message', (text) => {
    const message = JSON.parse(text);
    if (message.method === 'eth_subscription') {
      const { subscription, result } = message.params;
      brought.set(subscription, [...(brought.get(subscription) ?? []), result]);
    } else {
      waiting.get(message.id)?.(message);
      waiting.delete(message.id);
    }
  });
  await new Promise((done, fail) => {
    socket.on('open', done);
    socket.on('error', fail);
  });
  const ask = (method, ...params) =>
    new Promise((done, fail) => {
      id += 1;
      waiting.set(id, (answer) => (answer.error ? fail(answer.error) : done(answer.result)));
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    });
  const come = (subscription, count) => until(() => (brought.get(subscription) ?? []).length >= count && brought.get(subscription));
  return { ask, come, brought: (subscription) => brought.get(subscription) ?? [], close: () => socket.close() };
}

await main(async ({ url, socket, note }) => {
  const call = caller(url);
  const provider = new ethers.JsonRpcProvider(url, undefined, { cacheTimeout: -1, pollingInterval: 50 });
  const alice = new ethers.Wallet(keys[0], provider);
  const { Probe } = compile('Probe.sol');
  const probe = await new ethers.ContractFactory(Probe.abi, Probe.bytecode, alice).deploy(1n, 'watched');
  await receiptOf(call, probe.deploymentTransaction().hash);
  const address = await probe.getAddress();
  const wire = await connect(socket);

  await note('chain id over the socket', wire.ask('eth_chainId'));
  const heads = await wire.ask('eth_subscribe', 'newHeads');
  const logs = await wire.ask('eth_subscribe', 'logs', { address });
  const oneTopic = await wire.ask('eth_subscribe', 'logs', { address: [address], topics: [null, null, ethers.toBeHex(7n, 32)] });
  const pending = await wire.ask('eth_subscribe', 'newPendingTransactions');
  await note('ids of subscriptions', [heads, logs, pending].map((id) => /^0x[0-9a-f]+$/.test(id)));
  await note('sent', async () => {
    const hashes = [];
    for (const value of [6n, 7n]) {
      const sent = await probe.store(value, `stored ${value}`);
      hashes.push(sent.hash);
      await receiptOf(call, sent.hash);
    }
    return hashes;
  });
  await note('heads', wire.come(heads, 2));
  await note('logs', wire.come(logs, 2));
  await note('logs of one topic', wire.come(oneTopic, 1));
  await note('pending', wire.come(pending, 2));
  await note('unsubscribed', wire.ask('eth_unsubscribe', heads));
  await note('unsubscribed twice', wire.ask('eth_unsubscribe', heads));
  await note('nothing more', async () => {
    const before = wire.brought(heads).length;
    await receiptOf(call, (await probe.store(8n, 'unheard')).hash);
    await wire.come(logs, 3);
    return wire.brought(heads).length - before;
  });
  await note('many logs', async () => {
    await receiptOf(call, (await probe.many(20n)).hash);
    return (await wire.come(logs, 24)).slice(3).map(({ logIndex, topics, data }) => ({ logIndex, topics, data }));
  });
  await note('unknown kind', wire.ask('eth_subscribe', 'nothing'));
  await note('syncing', async () => typeof (await wire.ask('eth_subscribe', 'syncing')));
  await note('subscribing over HTTP', call('eth_subscribe', 'newHeads'));

  // Filters, which are polled.
  const block = await call('eth_newBlockFilter');
  const filter = await call('eth_newFilter', { address, fromBlock: '0x1' });
  const pool = await call('eth_newPendingTransactionFilter');
  await note('changes before', Promise.all([block, filter, pool].map((id) => call('eth_getFilterChanges', id))));
  const sent = await probe.store(9n, 'filtered');
  await receiptOf(call, sent.hash);
  await note('new blocks', async () => (await call('eth_getFilterChanges', block)).length);
  await note('new logs', async () => (await call('eth_getFilterChanges', filter)).map(({ logIndex, topics, removed }) => ({ logIndex, topics, removed })));
  await note('new transactions', async () => (await call('eth_getFilterChanges', pool)).map((hash) => hash === sent.hash));
  await note('all logs', async () => (await call('eth_getFilterLogs', filter)).length);
  await note('uninstalled', [await call('eth_uninstallFilter', filter), await call('eth_uninstallFilter', filter)]);
  await note('an unknown filter', call('eth_getFilterChanges', '0xdeadbeef'));

  // ethers over the socket.
  const live = new ethers.WebSocketProvider(socket);
  await note('ethers: blocks', async () => {
    const heard = [];
    await live.on('block', (number) => heard.push(number));
    await live.getBlockNumber();
    await receiptOf(call, (await probe.store(10n, 'for ethers')).hash);
    await until(() => heard.length >= 1);
    return heard.slice(0, 1);
  });
  await note('ethers: events', async () => {
    const heard = [];
    const watched = new ethers.Contract(address, Probe.abi, live);
    await watched.on('Stored', (by, value, text) => heard.push([by, value, text]));
    await live.getBlockNumber();
    await receiptOf(call, (await probe.store(11n, 'for ethers')).hash);
    await until(() => heard.length >= 1);
    return heard;
  });
  await note('ethers: pending', async () => {
    const heard = [];
    await live.on('pending', (hash) => heard.push(hash));
    await live.getBlockNumber();
    const { hash } = await alice.sendTransaction({ to: accounts[1], value: 1n });
    await until(() => heard.includes(hash));
    return true;
  });
  await note('ethers: sending over the socket', async () => {
    const sent = await new ethers.Wallet(keys[1], live).sendTransaction({ to: accounts[0], value: 3n });
    await receiptOf(call, sent.hash);
    return (await live.getTransactionReceipt(sent.hash)).toJSON();
  });
  await live.destroy();
  wire.close();
});
