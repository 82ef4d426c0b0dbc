// Contracts of OpenZeppelin, compiled here: an ERC-20 with permits, an ERC-721 with safe transfers, errors by their names.
import { ethers } from 'ethers';
import { compile } from '../compile.js';
import { main } from '../record.js';
import { accounts, caller, keys, receiptOf } from '../rpc.js';

await main(async ({ url, note }) => {
  const provider = new ethers.JsonRpcProvider(url, undefined, { cacheTimeout: -1, pollingInterval: 50 });
  const [alice, bob, carol] = keys.map((key) => new ethers.Wallet(key, provider));
  const receipt = async (sent) => receiptOf(caller(url), (await sent).hash);
  const deploy = async ({ abi, bytecode }, ...args) => {
    const contract = await new ethers.ContractFactory(abi, bytecode, alice).deploy(...args);
    await receipt(contract.deploymentTransaction());
    return contract;
  };

  const coin = await deploy(compile('Coin.sol').Coin, alice.address, 10n ** 24n);
  const address = await coin.getAddress();
  await note('coin', receipt(coin.deploymentTransaction()));
  await note('what it is', async () => [await coin.name(), await coin.symbol(), await coin.decimals(), await coin.totalSupply()]);
  await note('transfer', receipt(coin.transfer(bob.address, 1000n)));
  await note('transfer to somebody new', receipt(coin.transfer(carol.address, 5n)));
  await note('approve', receipt(coin.approve(bob.address, 500n)));
  await note('transferFrom', receipt(coin.connect(bob).transferFrom(alice.address, carol.address, 200n)));
  await note('allowance left', coin.allowance(alice.address, bob.address));
  await note('permit', async () => {
    const domain = { name: 'Coin', version: '1', chainId: 31337, verifyingContract: address };
    const fields = { owner: 'address', spender: 'address', value: 'uint256', nonce: 'uint256', deadline: 'uint256' };
    const types = { Permit: Object.entries(fields).map(([name, type]) => ({ name, type })) };
    const value = { owner: bob.address, spender: carol.address, value: 77n, nonce: await coin.nonces(bob.address), deadline: 2n ** 40n };
    const { v, r, s } = ethers.Signature.from(await bob.signTypedData(domain, types, value));
    return receipt(coin.connect(carol).permit(bob.address, carol.address, 77n, 2n ** 40n, v, r, s));
  });
  await note('permitted', receipt(coin.connect(carol).transferFrom(bob.address, carol.address, 77n)));
  await note('burn', receipt(coin.burn(10n ** 20n)));
  await note('mint', receipt(coin.mint(bob.address, 10n ** 18n)));
  await note('mint by another', coin.connect(bob).mint.staticCall(bob.address, 1n));
  await note('too much', coin.connect(carol).transfer.staticCall(alice.address, 10n ** 30n));
  await note('too much, by name', async () => {
    const error = await coin.connect(carol).transfer.staticCall(alice.address, 10n ** 30n).catch((error) => error);
    return [error.revert?.name, [...(error.revert?.args ?? [])]];
  });
  await note('too much, sent', receipt(coin.connect(carol).transfer(alice.address, 10n ** 30n, { gasLimit: 100_000n }).catch((error) => error.transaction ?? Promise.reject(error))));
  await note('balances', Promise.all([alice, bob, carol].map((who) => coin.balanceOf(who.address))));
  await note('history', async () => (await coin.queryFilter('Transfer', 0)).map(({ blockNumber, args }) => [blockNumber, ...args]));

  const { Badge, Cabinet } = compile('Badge.sol');
  const badge = await deploy(Badge);
  const cabinet = await deploy(Cabinet);
  await note('badge', receipt(badge.deploymentTransaction()));
  for (const who of [alice, bob, alice]) await note(`award ${(await badge.next()).toString()}`, receipt(badge.award(who.address)));
  await note('award to a contract that takes it', receipt(badge.award(await cabinet.getAddress())));
  await note('award to one that does not', badge.award.staticCall(address));
  await note('approve one', receipt(badge.approve(carol.address, 0n)));
  await note('moved by who was approved', receipt(badge.connect(carol)['safeTransferFrom(address,address,uint256)'](alice.address, carol.address, 0n)));
  await note('approve all', receipt(badge.setApprovalForAll(carol.address, true)));
  await note('moved by the operator', receipt(badge.connect(carol).transferFrom(alice.address, bob.address, 2n)));
  await note('moved by nobody', badge.connect(carol).transferFrom.staticCall(bob.address, carol.address, 1n));
  await note('owners', async () => {
    const total = Number(await badge.totalSupply());
    return Promise.all([...Array(total).keys()].map(async (index) => [await badge.tokenByIndex(index), await badge.ownerOf(index)]));
  });
  await note('owned', Promise.all([alice, bob, carol].map((who) => badge.balanceOf(who.address))));
  await note('proof of a balance', async () => {
    const slot = ethers.solidityPackedKeccak256(['uint256', 'uint256'], [BigInt(bob.address), 0n]);
    const { storageProof, ...account } = await provider.send('eth_getProof', [address, [slot], 'latest']);
    return { codeHash: account.codeHash, nonce: account.nonce, balance: account.balance, values: storageProof.map(({ value }) => value) };
  });
  await note('ether left', Promise.all(accounts.map((account) => provider.getBalance(account))));
});
