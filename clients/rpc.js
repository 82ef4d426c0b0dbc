// JSON-RPC without a library: what a node answers, as it answers it.
const MNEMONIC_KEYS = [
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
  '0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a',
  '0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6',
];

/** Secret keys of the first development accounts, and their addresses. */
export const keys = MNEMONIC_KEYS;
export const accounts = [
  '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
  '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  '0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC',
  '0x90F79bf6EB2c4f870365E785982E1f101E93b906',
];

/** Sends a body as it is: `{ status, body }`, the body parsed where it is JSON. */
export async function post(url, body, headers = { 'content-type': 'application/json' }) {
  const response = await fetch(url, { method: 'POST', headers, body });
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) };
  } catch {
    return { status: response.status, text };
  }
}

/** A function that calls methods: `await call('eth_chainId')`. Refusals are thrown as `{ code, message, data }`. */
export function caller(url) {
  let id = 0;
  return async (method, ...params) => {
    id += 1;
    const { body, status, text } = await post(url, JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    if (body === undefined) throw new Error(`HTTP ${status}: ${text}`);
    if (body.error) throw body.error;
    return body.result;
  };
}

/** Waits until something is there, for a minute: the machine may be busy. */
export async function until(look) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error('nothing has come for a minute');
    await new Promise((done) => setTimeout(done, 10));
  }
}

/**
 * The receipt of what was sent, as the node gives it. Asked for again and again: libraries that wait for a block after they
 * have looked once miss the one that came in between, and there may be no other.
 */
export async function receiptOf(call, hash) {
  return until(() => call('eth_getTransactionReceipt', hash));
}
