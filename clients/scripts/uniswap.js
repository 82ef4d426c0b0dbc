// Uniswap v2 from its published artifacts: factory, WETH and router, pools of tokens and of ether, swaps both ways.
import { ethers } from 'ethers';
import { artifact, compile } from '../compile.js';
import { main } from '../record.js';
import { caller, keys, receiptOf } from '../rpc.js';

const FOREVER = 2n ** 40n;

await main(async ({ url, note }) => {
  const provider = new ethers.JsonRpcProvider(url, undefined, { cacheTimeout: -1, pollingInterval: 50 });
  const [alice, bob] = keys.map((key) => new ethers.Wallet(key, provider));
  const receipt = async (sent) => receiptOf(caller(url), (await sent).hash);
  // A pool's gas and prices depend on the time since the block before.
  await provider.send('evm_setNextBlockTimestamp', [4_000_000_000]);
  await provider.send('anvil_setBlockTimestampInterval', [12]);
  const deploy = async (name, { abi, bytecode }, ...args) => {
    const contract = await new ethers.ContractFactory(abi, bytecode, alice).deploy(...args);
    await receipt(contract.deploymentTransaction());
    await note(`deployment of ${name}`, receipt(contract.deploymentTransaction()));
    return contract;
  };
  const address = (contract) => contract.getAddress();

  const weth = await deploy('WETH9', artifact('@uniswap/v2-periphery/build/WETH9.json'));
  const factory = await deploy('the factory', artifact('@uniswap/v2-core/build/UniswapV2Factory.json'), alice.address);
  const router = await deploy('the router', artifact('@uniswap/v2-periphery/build/UniswapV2Router02.json'), await address(factory), await address(weth));
  const { Coin } = compile('Coin.sol');
  const one = await deploy('token one', Coin, alice.address, 10n ** 27n);
  const two = await deploy('token two', Coin, alice.address, 10n ** 27n);
  for (const token of [one, two]) {
    await note('approval', receipt(token.approve(await address(router), ethers.MaxUint256)));
    await note('share of bob', receipt(token.transfer(bob.address, 10n ** 22n)));
    await receipt(token.connect(bob).approve(await address(router), ethers.MaxUint256));
  }
  const path = [await address(one), await address(two)];
  const back = [...path].reverse();

  await note('liquidity', receipt(router.addLiquidity(...path, 10n ** 24n, 2n * 10n ** 24n, 0n, 0n, alice.address, FOREVER)));
  await note('more liquidity', receipt(router.connect(bob).addLiquidity(...path, 10n ** 21n, 10n ** 21n, 0n, 0n, bob.address, FOREVER)));
  await note('liquidity with ether', receipt(router.addLiquidityETH(path[0], 10n ** 24n, 0n, 0n, alice.address, FOREVER, { value: 10n ** 20n })));
  const pair = new ethers.Contract(await factory.getPair(...path), artifact('@uniswap/v2-core/build/UniswapV2Pair.json').abi, alice);
  await note('pair', async () => [await address(pair), await factory.allPairsLength(), await pair.token0()]);
  const reserves = async () => [...(await pair.getReserves())].slice(0, 2);
  await note('reserves', reserves());
  await note('quote', async () => [...(await router.getAmountsOut(10n ** 20n, path))]);

  await note('swap', receipt(router.swapExactTokensForTokens(10n ** 20n, 0n, path, alice.address, FOREVER)));
  await note('swap back', receipt(router.connect(bob).swapExactTokensForTokens(10n ** 19n, 0n, back, bob.address, FOREVER)));
  await note('swap for an exact amount', receipt(router.swapTokensForExactTokens(10n ** 18n, ethers.MaxUint256, path, bob.address, FOREVER)));
  await note('swap of ether', receipt(router.connect(bob).swapExactETHForTokens(0n, [await address(weth), path[0]], bob.address, FOREVER, { value: 10n ** 18n })));
  await note('swap through two pools', receipt(router.connect(bob).swapExactETHForTokens(0n, [await address(weth), ...path], bob.address, FOREVER, { value: 10n ** 18n })));
  await note('swap for ether', receipt(router.swapExactTokensForETH(10n ** 20n, 0n, [path[0], await address(weth)], alice.address, FOREVER)));
  for (let round = 0; round < 8; round++) {
    const who = round % 2 ? alice : bob;
    await note(`swap ${round}`, receipt(router.connect(who).swapExactTokensForTokens(10n ** 17n * BigInt(round + 1), 0n, round % 3 ? path : back, who.address, FOREVER)));
  }
  await note('estimate', router.swapExactTokensForTokens.estimateGas(10n ** 18n, 0n, path, alice.address, FOREVER));
  await note('too greedy', router.swapExactTokensForTokens.staticCall(10n ** 18n, 10n ** 24n, path, alice.address, FOREVER));
  await note('too late', router.swapExactTokensForTokens.staticCall(10n ** 18n, 0n, path, alice.address, 1n));
  await note('too late, sent', receipt(router.swapExactTokensForTokens(10n ** 18n, 0n, path, alice.address, 1n, { gasLimit: 300_000n })));
  await receipt(pair.approve(await address(router), ethers.MaxUint256));
  await note('liquidity taken out', receipt(router.removeLiquidity(...path, 10n ** 20n, 0n, 0n, alice.address, FOREVER)));
  await note('reserves at the end', reserves());
  await note('swaps', async () => (await pair.queryFilter('Swap', 0)).map(({ blockNumber, args }) => [blockNumber, ...args]));
  await note('access list', provider.send('eth_createAccessList', [{
    from: alice.address, to: await address(router),
    data: router.interface.encodeFunctionData('swapExactTokensForTokens', [10n ** 18n, 0n, path, alice.address, FOREVER]),
  }, 'latest']).then(({ accessList, gasUsed }) => ({
    gasUsed, accessList: accessList.map(({ address, storageKeys }) => ({ address, storageKeys: [...storageKeys].sort() })).sort((a, b) => (a.address < b.address ? -1 : 1)),
  })));
  await note('what all hold', Promise.all([alice, bob].flatMap((who) => [one.balanceOf(who.address), two.balanceOf(who.address), provider.getBalance(who.address)])));
});
