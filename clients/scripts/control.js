// What test frameworks do to a development node, by the names that each of them uses, and exactly what it answers.
import { ethers } from 'ethers';
import { main } from '../record.js';
import { accounts, caller, until } from '../rpc.js';

const somebody = '0x00000000000000000000000000000000000000bb';

await main(async ({ url, note }) => {
  const call = caller(url);
  const head = async () => Number(await call('eth_blockNumber'));
  const time = async (block = 'latest') => Number((await call('eth_getBlockByNumber', block, false)).timestamp);
  await note('client version is a text', async () => typeof (await call('web3_clientVersion')));
  await note('sha3', call('web3_sha3', '0x68656c6c6f'));
  for (const method of ['net_version', 'net_listening', 'net_peerCount', 'eth_chainId', 'eth_syncing', 'eth_accounts', 'eth_gasPrice', 'eth_maxPriorityFeePerGas', 'eth_coinbase', 'eth_blobBaseFee']) {
    await note(method, call(method));
  }
  for (const prefix of ['anvil', 'hardhat']) {
    await note(`${prefix}_setBalance`, call(`${prefix}_setBalance`, somebody, '0x1234'));
    await note(`${prefix}_setNonce`, call(`${prefix}_setNonce`, somebody, prefix === 'anvil' ? '0x5' : '0x6'));
    await note(`${prefix}_setCode`, call(`${prefix}_setCode`, somebody, '0x6001600055'));
    await note(`${prefix}_setStorageAt`, call(`${prefix}_setStorageAt`, somebody, '0x0', ethers.toBeHex(9n, 32)));
    await note(`${prefix}: what is set`, Promise.all([call('eth_getBalance', somebody, 'latest'), call('eth_getTransactionCount', somebody, 'latest'), call('eth_getCode', somebody, 'latest'), call('eth_getStorageAt', somebody, '0x0', 'latest')]));
    await note(`${prefix}_impersonateAccount`, call(`${prefix}_impersonateAccount`, somebody));
    await note(`${prefix}_stopImpersonatingAccount`, call(`${prefix}_stopImpersonatingAccount`, somebody));
    await note(`${prefix}: a contract that is impersonated sends`, async () => {
      const contract = `0x${'00'.repeat(18)}${prefix === 'anvil' ? 'dd' : 'ee'}dd`;
      await call(`${prefix}_setCode`, contract, '0x00');
      await call(`${prefix}_setBalance`, contract, '0xde0b6b3a7640000');
      await call(`${prefix}_impersonateAccount`, contract);
      const hash = await call('eth_sendTransaction', { from: contract, to: accounts[1], value: '0x7' });
      const { status, from, gasUsed } = await until(() => call('eth_getTransactionReceipt', hash));
      return { status, from, gasUsed };
    });
    await note(`${prefix}_mine`, async () => [await call(`${prefix}_mine`, '0x3'), await head()]);
    await note(`${prefix}_mine with an interval`, async () => {
      const before = await time();
      await call(`${prefix}_mine`, '0x2', '0x3e8');
      return (await time()) - before >= 1000;
    });
    await note(`${prefix}_setCoinbase`, call(`${prefix}_setCoinbase`, somebody));
    await note(`${prefix}_setNextBlockBaseFeePerGas`, call(`${prefix}_setNextBlockBaseFeePerGas`, '0x77359400'));
    await note(`${prefix}: base fee`, async () => {
      await call('evm_mine');
      const { baseFeePerGas, miner } = await call('eth_getBlockByNumber', 'latest', false);
      return { baseFeePerGas, miner };
    });
    await note(`${prefix}_metadata`, async () => Object.keys(await call(`${prefix}_metadata`)).sort());
  }
  await note('anvil_setBalance without a balance', call('anvil_setBalance', somebody));
  await note('anvil_nodeInfo', async () => Object.keys(await call('anvil_nodeInfo')).sort());
  await note('anvil_getAutomine', call('anvil_getAutomine'));
  await note('hardhat_getAutomine', call('hardhat_getAutomine'));
  await note('anvil_autoImpersonateAccount', call('anvil_autoImpersonateAccount', true));
  await note('sent by anybody', async () => {
    await call('anvil_setBalance', '0x00000000000000000000000000000000000000cc', '0xde0b6b3a7640000');
    const hash = await call('eth_sendTransaction', { from: '0x00000000000000000000000000000000000000cc', to: accounts[1], value: '0x7' });
    const { status, from, gasUsed } = await until(() => call('eth_getTransactionReceipt', hash));
    return { status, from, gasUsed };
  });
  await note('anvil_autoImpersonateAccount, off', call('anvil_autoImpersonateAccount', false));
  await note('evm_snapshot', call('evm_snapshot'));
  await note('evm_snapshot, again', call('evm_snapshot'));
  await note('evm_mine', call('evm_mine'));
  await note('evm_mine with a time', async () => {
    const wanted = (await time()) + 777;
    const answer = await call('evm_mine', { timestamp: ethers.toQuantity(wanted) });
    return [answer, (await time()) - wanted];
  });
  await note('evm_revert', call('evm_revert', '0x0'));
  await note('evm_revert, what is gone', call('evm_revert', '0x1'));
  await note('evm_revert, what never was', call('evm_revert', '0x77'));
  await note('evm_increaseTime', async () => {
    const before = await time();
    const answer = await call('evm_increaseTime', '0xe10');
    await call('evm_mine');
    const later = (await time()) - before;
    // Blocks that were made within one second have run ahead of the clock.
    return [typeof answer, Math.abs(later - 3600) < 100];
  });
  await note('evm_increaseTime with a number', async () => typeof (await call('evm_increaseTime', 10)));
  await note('evm_setNextBlockTimestamp', async () => {
    const wanted = (await time()) + 5000;
    const answer = await call('evm_setNextBlockTimestamp', wanted);
    await call('evm_mine');
    const first = (await time()) - wanted;
    await call('evm_mine');
    return [answer, first, (await time()) - wanted < 100];
  });
  await note('evm_setNextBlockTimestamp, in the past', call('evm_setNextBlockTimestamp', '0x1'));
  await note('evm_setAutomine', call('evm_setAutomine', false));
  await note('evm_setAutomine, on', call('evm_setAutomine', true));
  await note('evm_setIntervalMining', call('evm_setIntervalMining', 0));
  await note('evm_setBlockGasLimit', call('evm_setBlockGasLimit', '0x1312d00'));
  await note('anvil_setTime', async () => typeof (await call('anvil_setTime', 4_000_000_000)));
  await note('anvil_setBlockTimestampInterval', call('anvil_setBlockTimestampInterval', 10));
  await note('anvil_removeBlockTimestampInterval', call('anvil_removeBlockTimestampInterval'));
  await note('anvil_dropTransaction', call('anvil_dropTransaction', ethers.ZeroHash));
  await note('anvil_setLoggingEnabled', call('anvil_setLoggingEnabled', false));
  await note('eth_sign', call('eth_sign', accounts[0], '0x68656c6c6f'));
  await note('personal_sign', call('personal_sign', '0x68656c6c6f', accounts[0]));
  await note('eth_signTransaction', call('eth_signTransaction', { from: accounts[0], to: accounts[1], value: '0x1', gas: '0x5208', nonce: '0x0', maxFeePerGas: '0x77359400', maxPriorityFeePerGas: '0x1' }));
  await note('anvil_dumpState and anvil_loadState', async () => {
    const state = await call('anvil_dumpState');
    await call('anvil_setBalance', somebody, '0x1');
    return [typeof state, await call('anvil_loadState', state), await call('eth_getBalance', somebody, 'latest')];
  });
  await note('anvil_reset', call('anvil_reset'));
  await note('after a reset', Promise.all([call('eth_blockNumber'), call('eth_getBalance', somebody, 'latest'), call('eth_getBalance', accounts[0], 'latest')]));
});
