// anvil: --steps-tracing
// Traces of transactions and calls, by every tracer that both nodes have (anvil answers `{}` for the flat and the mux tracer).
import { ethers } from 'ethers';
import { compile } from '../compile.js';
import { main } from '../record.js';
import { accounts, caller, keys, receiptOf } from '../rpc.js';

await main(async ({ url, note }) => {
  const call = caller(url);
  const provider = new ethers.JsonRpcProvider(url, undefined, { cacheTimeout: -1, pollingInterval: 50 });
  const alice = new ethers.Wallet(keys[0], provider);
  const { Probe } = compile('Probe.sol');
  const deploy = async (first, name) => {
    const contract = await new ethers.ContractFactory(Probe.abi, Probe.bytecode, alice).deploy(first, name);
    await receiptOf(call, contract.deploymentTransaction().hash);
    return contract;
  };
  const [probe, other] = [await deploy(1n, 'one'), await deploy(2n, 'two')];
  const sent = async (transaction) => {
    const { hash } = await transaction;
    await receiptOf(call, hash);
    return hash;
  };
  const { hash: creation } = probe.deploymentTransaction();
  const hashes = {
    creation,
    transfer: await sent(alice.sendTransaction({ to: accounts[1], value: 5n })),
    store: await sent(probe.store(9n, 'traced')),
    'calls between contracts': await sent(probe.calls(await other.getAddress(), 3n)),
    create2: await sent(probe.child(ethers.ZeroHash)),
    failure: await sent(alice.sendTransaction({ to: await probe.getAddress(), data: probe.interface.encodeFunctionData('failWithText'), gasLimit: 90_000n })),
    'all gas': await sent(alice.sendTransaction({ to: await probe.getAddress(), data: probe.interface.encodeFunctionData('failWithGas'), gasLimit: 90_000n })),
  };
  const tracers = {
    'struct logs': {},
    'struct logs, all': { enableMemory: true, enableReturnData: true },
    'struct logs, little': { disableStack: true, disableStorage: true },
    'call tracer': { tracer: 'callTracer' },
    'call tracer with logs': { tracer: 'callTracer', tracerConfig: { withLog: true } },
    'call tracer, top': { tracer: 'callTracer', tracerConfig: { onlyTopCall: true } },
    prestate: { tracer: 'prestateTracer' },
    'prestate difference': { tracer: 'prestateTracer', tracerConfig: { diffMode: true } },
    '4byte': { tracer: '4byteTracer' },
    noop: { tracer: 'noopTracer' },
  };
  for (const [what, hash] of Object.entries(hashes)) {
    for (const [name, options] of Object.entries(tracers)) {
      if (name.startsWith('struct') && what !== 'store' && what !== 'failure') continue;
      await note(`${what}: ${name}`, call('debug_traceTransaction', hash, options));
    }
    await note(`${what}: trace_transaction`, call('trace_transaction', hash));
  }
  // A call that does not say has as much gas as each node gives it.
  const request = { from: accounts[0], gas: '0x100000', to: await probe.getAddress(), data: probe.interface.encodeFunctionData('calls', [await other.getAddress(), 8n]) };
  // anvil counts selectors of transactions only.
  const ofCalls = Object.entries(tracers).filter(([name]) => name !== '4byte');
  for (const [name, options] of ofCalls) await note(`a call: ${name}`, call('debug_traceCall', request, 'latest', options));
  await note('a call with another state', call('debug_traceCall', { ...request, data: probe.interface.encodeFunctionData('stored') }, 'latest', {
    tracer: 'callTracer', stateOverrides: { [await probe.getAddress()]: { stateDiff: { [ethers.ZeroHash]: ethers.toBeHex(99n, 32) } } },
  }));
  await note('a block', call('debug_traceBlockByNumber', '0x4', { tracer: 'callTracer' }));
  await note('trace_block', call('trace_block', '0x4'));
  await note('trace_filter', call('trace_filter', { fromBlock: '0x1', toBlock: '0x6', toAddress: [await other.getAddress()] }));
  await note('raw transaction', call('debug_getRawTransaction', hashes.store));
});
