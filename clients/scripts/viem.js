// viem: public, wallet and test clients; simulations, overrides, typed data, authorizations, watching.
import { createPublicClient, createTestClient, createWalletClient, encodeFunctionData, http, numberToHex, parseEther, parseGwei, webSocket, zeroHash } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { anvil } from 'viem/chains';
import { compile } from '../compile.js';
import { main } from '../record.js';
import { accounts, caller, keys, receiptOf, until } from '../rpc.js';

await main(async ({ url, socket, note }) => {
  const plain = http(url, { retryCount: 0 });
  // Where a node fills transactions in, viem lets it; what is suggested is each node's own, so here viem does it.
  const transport = (config) => {
    const { request, ...rest } = plain(config);
    const refuse = () => Promise.reject({ code: -32601, message: 'the method eth_fillTransaction is not asked for' });
    return { ...rest, request: (asked) => (asked.method === 'eth_fillTransaction' ? refuse() : request(asked)) };
  };
  const options = { chain: anvil, transport, pollingInterval: 50, cacheTime: 0 };
  const [alice, bob] = keys.map((key) => privateKeyToAccount(key));
  const client = createPublicClient(options);
  // What is suggested as a tip follows from what was paid, each node's way.
  const fees = { estimateFeesPerGas: () => ({ maxFeePerGas: parseGwei('20'), maxPriorityFeePerGas: parseGwei('1') }) };
  const wallet = createWalletClient({ ...options, chain: { ...anvil, fees }, account: alice });
  const test = createTestClient({ ...options, mode: 'anvil' });
  // viem dresses receipts up; what the node said is below.
  const receipt = async (hash) => {
    const receipt = await receiptOf(caller(url), await hash);
    await client.waitForTransactionReceipt({ hash: receipt.transactionHash });
    return receipt;
  };

  await note('chain id', client.getChainId());
  await note('addresses', wallet.getAddresses());
  await note('fees', client.estimateFeesPerGas());
  await note('tip', client.estimateMaxPriorityFeePerGas());
  await note('blob base fee', client.getBlobBaseFee());
  await note('transfer', receipt(wallet.sendTransaction({ to: bob.address, value: parseEther('1') })));
  await note('prepared', wallet.prepareTransactionRequest({ to: bob.address, value: 1n }));
  const { Probe: { abi, bytecode } } = compile('Probe.sol');
  const deployed = await receipt(wallet.deployContract({ abi, bytecode, args: [5n, 'by viem'] }));
  await note('deployment', deployed);
  const address = deployed.contractAddress;
  const probe = { address, abi };
  await note('read', client.readContract({ ...probe, functionName: 'name' }));
  await note('simulated', async () => {
    const { result, request } = await client.simulateContract({ ...probe, functionName: 'store', args: [6n, 'viem'], account: alice });
    return { result, receipt: await receipt(wallet.writeContract(request)) };
  });
  await note('gas of a contract', client.estimateContractGas({ ...probe, functionName: 'burn', args: [100n], account: alice }));
  for (const [functionName, ...args] of [['failWithText'], ['failWithError', 9n], ['failWithPanic', 0n], ['failWithNothing'], ['failWithGas']]) {
    await note(`what viem makes of ${functionName}`, async () => {
      const error = await client.readContract({ ...probe, functionName, args }).then(() => null, (error) => error);
      const { cause } = error;
      return { name: error.name, cause: cause.name, reason: cause.reason, data: cause.data && { name: cause.data.errorName, args: cause.data.args }, signature: cause.signature };
    });
  }
  const stored = encodeFunctionData({ abi, functionName: 'stored' });
  await note('call', client.call({ to: address, data: stored }));
  await note('call of code that is nowhere', async () => client.call({ code: await client.getCode({ address }), data: stored }));
  await note('call with another slot', client.call({ to: address, data: stored, stateOverride: [{ address, stateDiff: [{ slot: zeroHash, value: numberToHex(77n, { size: 32 }) }] }] }));
  await note('call with another state', client.call({ to: address, data: encodeFunctionData({ abi, functionName: 'name' }), stateOverride: [{ address, state: [{ slot: zeroHash, value: numberToHex(78n, { size: 32 }) }] }] }));
  await note('call with other code', client.call({ to: bob.address, data: stored, stateOverride: [{ address: bob.address, code: await client.getCode({ address }), balance: 5n }] }));
  await note('call in another block', client.call({ to: address, data: encodeFunctionData({ abi, functionName: 'environment' }), blockOverrides: { number: 999n, gasLimit: 12_345_678n, baseFeePerGas: 0n, coinbase: bob.address } }));
  await note('simulated calls', async () => {
    const { results } = await client.simulateCalls({ account: alice.address, calls: [{ to: address, abi, functionName: 'store', args: [50n, 'one'] }, { to: address, abi, functionName: 'stored' }, { to: address, abi, functionName: 'failWithText' }] });
    return results.map(({ status, result, gasUsed, logs, error }) => ({ status, result, gasUsed, logs: logs?.length, error: error?.name }));
  });
  await note('simulated blocks', async () => {
    const blocks = await client.simulateBlocks({
      blocks: [
        { blockOverrides: { number: 100n, time: 4_000_000_000n }, stateOverrides: [{ address: bob.address, balance: parseEther('3') }], calls: [{ account: bob.address, to: accounts[3], value: parseEther('2') }] },
        { calls: [{ to: address, abi, functionName: 'clock' }, { account: bob.address, to: accounts[3], value: parseEther('0.5') }] },
      ],
    });
    return blocks.map(({ number, gasUsed, calls }) => ({ number, gasUsed, calls: calls.map(({ status, data, gasUsed, error }) => ({ status, data, gasUsed, error: error?.name })) }));
  });
  await note('access list', async () => {
    const { accessList, gasUsed } = await client.createAccessList({ account: alice, to: address, data: encodeFunctionData({ abi, functionName: 'store', args: [1n, 'x'] }) });
    return { gasUsed, accessList };
  });
  await note('proof', async () => {
    const { accountProof, storageProof, ...rest } = await client.getProof({ address, storageKeys: [zeroHash] });
    return { ...rest, values: storageProof.map(({ key, value }) => ({ key, value })) };
  });
  await note('fee history', client.getFeeHistory({ blockCount: 3, rewardPercentiles: [25, 50, 75] }));
  await note('logs', client.getLogs({ address, fromBlock: 0n }));
  await note('events', async () => (await client.getContractEvents({ ...probe, eventName: 'Stored', fromBlock: 0n, args: { by: alice.address } })).map(({ args, logIndex }) => ({ args, logIndex })));
  await note('block with transactions', client.getBlock({ includeTransactions: true }));
  await note('storage', client.getStorageAt({ address, slot: zeroHash }));
  await note('sent and waited for at once', async () => {
    const request = await wallet.prepareTransactionRequest({ to: bob.address, value: 2n });
    const serializedTransaction = await wallet.signTransaction(request);
    const { status, gasUsed } = await wallet.sendRawTransactionSync({ serializedTransaction });
    return { status, gasUsed };
  });
  await note('authorization', async () => {
    const authorization = await createWalletClient({ ...options, account: bob }).signAuthorization({ contractAddress: address });
    return receipt(wallet.sendTransaction({ to: bob.address, authorizationList: [authorization], data: encodeFunctionData({ abi, functionName: 'store', args: [3n, 'delegated'] }), gas: 300_000n }));
  });
  await note('typed data signed by the node', createWalletClient({ ...options, account: accounts[2] }).signTypedData({
    domain: { name: 'Probe', chainId: 31337 }, types: { Note: [{ name: 'text', type: 'string' }, { name: 'flags', type: 'bool[2]' }] }, primaryType: 'Note', message: { text: 'hello', flags: [true, false] },
  }));
  await note('message signed by the node', createWalletClient({ ...options, account: accounts[2] }).signMessage({ message: 'hello' }));

  // The test client: what test suites do to a development node.
  const somebody = '0x00000000000000000000000000000000000000aa';
  await note('automine', test.getAutomine());
  await note('set balance', async () => [await test.setBalance({ address: somebody, value: parseEther('9') }), await client.getBalance({ address: somebody })]);
  await note('set nonce', async () => [await test.setNonce({ address: somebody, nonce: 7 }), await client.getTransactionCount({ address: somebody })]);
  await note('set code', async () => [await test.setCode({ address: somebody, bytecode: '0x60016000526001601ff3' }), await client.getCode({ address: somebody }), await client.call({ to: somebody })]);
  await note('set storage', async () => [await test.setStorageAt({ address, index: 0, value: numberToHex(1234n, { size: 32 }) }), await client.readContract({ ...probe, functionName: 'stored' })]);
  await note('impersonated', async () => {
    await test.setCode({ address: somebody, bytecode: '0x' });
    await test.impersonateAccount({ address: somebody });
    const sent = await receipt(createWalletClient({ ...options, account: somebody }).sendTransaction({ to: bob.address, value: 1n }));
    await test.stopImpersonatingAccount({ address: somebody });
    return sent;
  });
  await note('transaction of who was impersonated', async () => {
    const { v, r, s, yParity, ...rest } = (await client.request({ method: 'eth_getBlockByNumber', params: ['latest', true] })).transactions[0];
    return { from: rest.from, to: rest.to, nonce: rest.nonce, type: rest.type, value: rest.value };
  });
  await note('not impersonated any more', createWalletClient({ ...options, account: somebody }).sendTransaction({ to: bob.address, value: 1n }));
  await note('mined', async () => {
    const before = await client.getBlockNumber();
    const time = (await client.getBlock()).timestamp;
    await test.mine({ blocks: 5, interval: 60 });
    const block = await client.getBlock();
    return { blocks: block.number - before, seconds: block.timestamp - time >= 240n };
  });
  await note('time', async () => {
    const time = (await client.getBlock()).timestamp;
    await test.increaseTime({ seconds: 1000 });
    await test.mine({ blocks: 1 });
    const later = (await client.getBlock()).timestamp - time;
    await test.setNextBlockTimestamp({ timestamp: time + 5000n });
    await test.mine({ blocks: 1 });
    return [later >= 1000n && later < 1100n, (await client.getBlock()).timestamp - time];
  });
  await note('time between blocks', async () => {
    await test.setBlockTimestampInterval({ interval: 13 });
    await test.mine({ blocks: 1 });
    const time = (await client.getBlock()).timestamp;
    await test.mine({ blocks: 2 });
    const later = (await client.getBlock()).timestamp - time;
    await test.removeBlockTimestampInterval();
    return later;
  });
  await note('base fee', async () => {
    await test.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei('20') });
    await test.mine({ blocks: 1 });
    return (await client.getBlock()).baseFeePerGas;
  });
  await note('coinbase', async () => {
    await test.setCoinbase({ address: accounts[3] });
    await test.mine({ blocks: 1 });
    return (await client.getBlock()).miner;
  });
  await note('snapshot and back', async () => {
    const [number, balance] = [await client.getBlockNumber(), await client.getBalance({ address: bob.address })];
    const id = await test.snapshot();
    await receipt(wallet.sendTransaction({ to: bob.address, value: 5n }));
    await test.setBalance({ address: somebody, value: 1n });
    await test.revert({ id });
    return { id, blocks: (await client.getBlockNumber()) - number, ether: (await client.getBalance({ address: bob.address })) - balance, somebody: await client.getBalance({ address: somebody }) };
  });
  await note('after that', receipt(wallet.sendTransaction({ to: bob.address, value: 6n })));
  await note('without automine', async () => {
    await test.setAutomine(false);
    const hashes = [await wallet.sendTransaction({ to: bob.address, value: 7n, gas: 21_000n }), await wallet.sendTransaction({ to: bob.address, value: 8n, gas: 21_000n, nonce: (await client.getTransactionCount({ address: alice.address })) + 1 })];
    const status = await test.getTxpoolStatus();
    await test.dropTransaction({ hash: hashes[1] });
    const after = await test.getTxpoolStatus();
    const pending = await client.getTransactionCount({ address: alice.address, blockTag: 'pending' });
    const latest = await client.getTransactionCount({ address: alice.address });
    await test.mine({ blocks: 1 });
    await test.setAutomine(true);
    return { status, after, pending: pending - latest, mined: (await client.getBlock()).transactions.length, automine: await test.getAutomine() };
  });
  await note('set an interval', async () => {
    await test.setIntervalMining({ interval: 1 });
    const number = await client.getBlockNumber();
    await until(async () => (await client.getBlockNumber()) > number);
    await test.setIntervalMining({ interval: 0 });
    return true;
  });
  await note('automine again', test.setAutomine(true));
  await note('gas limit', async () => {
    await test.setBlockGasLimit({ gasLimit: 20_000_000n });
    await test.mine({ blocks: 1 });
    return (await client.getBlock()).gasLimit;
  });

  // Watching, by polling and over a socket.
  const live = createPublicClient({ chain: anvil, transport: webSocket(socket) });
  for (const [name, watcher] of [['polling', client], ['socket', live]]) {
    await note(`watched by ${name}`, async () => {
      const heard = { blocks: [], events: [], pending: [] };
      const stop = [
        watcher.watchBlockNumber({ onBlockNumber: (number) => heard.blocks.push(number) }),
        watcher.watchContractEvent({ ...probe, eventName: 'Stored', onLogs: (logs) => heard.events.push(...logs.map(({ args }) => args)) }),
        watcher.watchPendingTransactions({ onTransactions: (hashes) => heard.pending.push(...hashes) }),
      ];
      // A filter or a subscription is there a little later; what comes before it is not heard.
      await new Promise((done) => setTimeout(done, 500));
      const hash = await wallet.writeContract({ ...probe, functionName: 'store', args: [60n, name] });
      const blockNumber = BigInt((await receiptOf(caller(url), hash)).blockNumber);
      await until(() => heard.blocks.includes(blockNumber) && heard.events.length > 0 && heard.pending.includes(hash));
      stop.forEach((end) => end());
      return { events: heard.events };
    });
  }
  await note('balances', Promise.all(accounts.slice(1).map((account) => client.getBalance({ address: account }))));
});
