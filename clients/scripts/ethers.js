// ethers over HTTP: wallets, contracts, events, errors, every type of transaction that ethers makes without a sidecar.
import { ethers } from 'ethers';
import { compile } from '../compile.js';
import { failure, main } from '../record.js';
import { accounts, caller, keys, receiptOf, until } from '../rpc.js';

await main(async ({ url, note }) => {
  const provider = new ethers.JsonRpcProvider(url, undefined, { cacheTimeout: -1, pollingInterval: 50 });
  const [alice, bob] = keys.map((key) => new ethers.Wallet(key, provider));
  const receipt = async (sent) => receiptOf(caller(url), (await sent).hash);

  await note('network', async () => (await provider.getNetwork()).toJSON());
  await note('accounts', async () => (await provider.listAccounts()).map((signer) => signer.address));
  await note('first balance', provider.getBalance(alice.address));
  await note('fee data', provider.getFeeData());
  await note('genesis', provider.send('eth_getBlockByNumber', ['0x0', false]));

  await note('plain transfer', receipt(alice.sendTransaction({ to: accounts[1], value: ethers.parseEther('1.5') })));
  // What is suggested as a tip follows from what was paid, each node's way: nobody pays more here.
  const price = async () => BigInt(await provider.send('eth_gasPrice', []));
  await note('legacy', async () => receipt(alice.sendTransaction({ to: accounts[1], value: 1n, type: 0, gasPrice: await price() })));
  await note('with an access list', async () => receipt(alice.sendTransaction({
    to: accounts[1], value: 1n, type: 1, gasPrice: await price(), gasLimit: 60_000n,
    accessList: [{ address: accounts[2], storageKeys: [ethers.ZeroHash] }],
  })));
  await note('balances', Promise.all(accounts.map((account) => provider.getBalance(account))));

  const { Probe } = compile('Probe.sol');
  const factory = new ethers.ContractFactory(Probe.abi, Probe.bytecode, alice);
  const probe = await factory.deploy(42n, 'probe', { value: ethers.parseEther('2') });
  await receipt(probe.deploymentTransaction());
  const address = await probe.getAddress();
  await note('deployment', receipt(probe.deploymentTransaction()));
  await note('code', provider.getCode(address));
  await note('slots', Promise.all([0, 1, 2].map((slot) => provider.getStorage(address, slot))));
  await note('views', async () => [await probe.stored(), await probe.name(), await probe.visits(accounts[0])]);
  await note('environment', async () => [...(await probe.environment())]);
  await note('store', receipt(probe.store(43n, 'by alice')));
  await note('store by bob', receipt(probe.connect(bob).store(44n, 'by bob')));
  await note('static call', probe.store.staticCall(1n, 'not sent'));
  await note('estimate', probe.store.estimateGas(99n, 'estimated'));
  await note('estimate of a loop', probe.burn.estimateGas(500n));
  await note('estimate of a transfer', provider.estimateGas({ from: accounts[0], to: accounts[1], value: 1n }));
  await note('many logs', receipt(probe.many(5n)));
  await note('ether with an event', receipt(alice.sendTransaction({ to: address, value: 7n })));
  await note('create2', receipt(probe.child(ethers.id('salt'))));
  await note('events', async () => (await probe.queryFilter('Stored', 0, 'latest')).map((event) => event.toJSON()));
  await note('events by topic', async () => {
    const found = await probe.queryFilter(probe.filters.Stored(accounts[1]), 0, 'latest');
    return found.map((event) => ({ ...event.toJSON(), args: [...event.args] }));
  });
  await note('logs of a block', async () => provider.getLogs({ blockHash: (await provider.getBlock('latest')).hash }));
  await note('no logs', provider.getLogs({ fromBlock: 0, toBlock: 'latest', topics: [ethers.id('Nothing()')] }));

  for (const [name, ...args] of [['failWithText'], ['failWithError', 5n], ['failWithPanic', 0n], ['failWithNothing'], ['failWithGas']]) {
    await note(`call of ${name}`, probe[name].staticCall(...args));
    await note(`what ethers makes of ${name}`, async () => {
      const error = await probe[name].staticCall(...args).then(() => null, (error) => error);
      return { code: error.code, reason: error.reason, revert: error.revert && { name: error.revert.name, args: [...error.revert.args] } };
    });
    await note(`estimate of ${name}`, probe[name].estimateGas(...args));
    await note(`receipt of ${name}`, async () => {
      const data = probe.interface.encodeFunctionData(name, args);
      const sent = await alice.sendTransaction({ to: address, data, gasLimit: 100_000n }).catch((error) => error);
      if (sent instanceof Error) return { refused: failure(sent) };
      return receipt(sent);
    });
  }
  await note('caught in a contract', async () => {
    const other = await factory.deploy(1n, 'other');
    await receipt(other.deploymentTransaction());
    return receipt(probe.calls(await other.getAddress(), 5n));
  });

  await note('call in the past', async () => {
    const past = (await provider.getBlockNumber()) - 3;
    return [await probe.stored({ blockTag: 1 }).catch((error) => ({ failed: error.code })), await probe.stored({ blockTag: past })];
  });
  await note('nonces', Promise.all(['earliest', 'latest', 'pending', 3].map((tag) => provider.getTransactionCount(accounts[0], tag))));
  await note('block with transactions', provider.send('eth_getBlockByNumber', ['latest', true]));
  await note('transaction', async () => provider.send('eth_getTransactionByHash', [(await provider.getBlock(1)).transactions[0]]));
  await note('a receipt that is not there', provider.getTransactionReceipt(ethers.ZeroHash));
  await note('a block that is not there', provider.getBlock(1_000_000));

  await note('authorization', async () => {
    const authorization = await bob.authorize({ address, nonce: await bob.getNonce(), chainId: 31337n });
    return receipt(alice.sendTransaction({ type: 4, to: bob.address, authorizationList: [authorization], gasLimit: 200_000n }));
  });
  await note('code of who is delegated', provider.getCode(bob.address));
  await note('call to who is delegated', async () => [...(await factory.attach(bob.address).environment())].slice(0, 2));

  await note('nonce too low', alice.sendTransaction({ to: accounts[1], nonce: 0, gasLimit: 21_000n }));
  await note('too poor', bob.sendTransaction({ to: accounts[0], value: ethers.parseEther('1000000'), gasLimit: 21_000n }));
  await note('too little gas', alice.sendTransaction({ to: accounts[1], gasLimit: 20_999n }));
  await note('too much gas', alice.sendTransaction({ to: accounts[1], gasLimit: 30_000_001n }));
  await note('fee below the base fee', alice.sendTransaction({ to: accounts[1], maxFeePerGas: 1n, maxPriorityFeePerGas: 0n, gasLimit: 21_000n }));
  // It waits in a pool that takes it, and so would all that comes after it.
  await provider.send('anvil_dropAllTransactions', []);
  await note('tip above the fee', async () => {
    const signed = await alice.signTransaction({
      to: accounts[1], chainId: 31337n, nonce: await alice.getNonce(), type: 2, maxFeePerGas: 3n, maxPriorityFeePerGas: 4n, gasLimit: 21_000n,
    });
    return provider.send('eth_sendRawTransaction', [signed]);
  });
  await note('another chain', async () => {
    const signed = await alice.signTransaction({
      to: accounts[1], chainId: 1n, nonce: await alice.getNonce(), type: 2, maxFeePerGas: 3_000_000_000n, maxPriorityFeePerGas: 1n, gasLimit: 21_000n,
    });
    return provider.send('eth_sendRawTransaction', [signed]);
  });
  await note('sent twice', async () => {
    const signed = await alice.signTransaction(await alice.populateTransaction({ to: accounts[1], value: 1n }));
    await receipt(provider.broadcastTransaction(signed));
    return provider.send('eth_sendRawTransaction', [signed]);
  });

  const signer = await provider.getSigner(2);
  await note('sent by the node', receipt(signer.sendTransaction({ to: accounts[0], value: 5n })));
  await note('message signed by the node', signer.signMessage('hello'));
  await note('typed data signed by the node', signer.signTypedData(
    { name: 'Probe', version: '1', chainId: 31337, verifyingContract: address },
    { Order: [{ name: 'who', type: 'address' }, { name: 'items', type: 'Item[]' }], Item: [{ name: 'name', type: 'string' }, { name: 'count', type: 'uint256' }] },
    { who: accounts[0], items: [{ name: 'one', count: 1n }, { name: 'two', count: 2n }] },
  ));

  await note('events as they come', async () => {
    const heard = [];
    await probe.on('Stored', (by, value, text) => heard.push([by, value, text]));
    await probe.store(1n, 'heard');
    await probe.store(2n, 'heard, too');
    await until(() => heard.length >= 2);
    await probe.removeAllListeners();
    return heard;
  });
  await note('blocks as they come', async () => {
    const heard = [];
    const before = await provider.getBlockNumber();
    await provider.on('block', (number) => heard.push(number - before));
    await until(() => heard.length > 0 || provider.getBlockNumber().then(() => true));
    await receipt(alice.sendTransaction({ to: accounts[1], value: 1n }));
    await until(() => heard.includes(1));
    await provider.removeAllListeners();
    return heard.filter((number) => number > 0);
  });
  await note('last balances', Promise.all(accounts.map((account) => provider.getBalance(account))));
});
