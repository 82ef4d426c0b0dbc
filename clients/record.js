// What a client saw, step by step, in a form in which two nodes can be compared: values that follow from the time at which
// a block was made are left out, since the nodes' clocks are their own. Everything else must be equal.

import { BROKE_OFF } from './difference.js';

// Fields that depend on a block's time, wherever they are.
const TIMED = new Set(['blockHash', 'parentHash', 'timestamp', 'blockTimestamp', 'mixHash', 'prevRandao', 'random', 'stateRoot']);

/** A value as plain JSON: no functions, numbers of any size as decimal strings, timed fields as "(time)". */
export function canonical(value) {
  if (typeof value === 'bigint') return value.toString();
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (value === null || typeof value !== 'object') return value;
  if (typeof value.toJSON === 'function') return canonical(value.toJSON());
  if (Array.isArray(value)) return value.map((item) => canonical(item) ?? null);
  const isBlock = 'parentHash' in value;
  const entries = Object.keys(value)
    .sort()
    .map((key) => {
      const isTimed = TIMED.has(key) || (isBlock && key === 'hash');
      // A field that is missing or null is told from one that has a value.
      return [key, isTimed && value[key] != null ? '(time)' : canonical(value[key])];
    });
  return Object.fromEntries(entries.filter(([, item]) => item !== undefined));
}

/** Collects steps and prints them when all is done. */
export class Record {
  steps = [];

  /** Notes what a step gave: a value, a promise of one, or a function that makes one; a failure is a value as well. */
  async note(step, given) {
    let value;
    try {
      value = canonical(await (typeof given === 'function' ? given() : given));
    } catch (error) {
      value = { failed: failure(error) };
    }
    const before = this.steps.filter((other) => other.step === step || other.step.startsWith(`${step} (`)).length;
    this.steps.push({ step: before === 0 ? step : `${step} (${before + 1})`, value: value ?? null });
    return value;
  }

  /** Prints all steps; done when everything is written, which takes a while where a pipe is read slowly. */
  print() {
    return new Promise((done) => process.stdout.write(`${JSON.stringify(this.steps, null, 1)}\n`, done));
  }
}

/** Of a client's error, what the node said; without that, what the client said. */
export function failure(error) {
  const seen = new Set();
  for (let cause = error; cause && typeof cause === 'object' && !seen.has(cause); ) {
    seen.add(cause);
    const said = cause.error ?? cause;
    // viem keeps the node's own words in `details`.
    if (typeof said.code === 'number') return { code: said.code, message: said.details ?? said.message, data: canonical(said.data) };
    cause = cause.info?.error ? cause.info : (cause.cause ?? cause.error);
  }
  return { message: String(error?.details || error?.shortMessage || error?.message || error).split('\n')[0] };
}

/** Runs a client's script against the node that the command line names. */
export async function main(script) {
  const url = process.argv[2];
  if (!url) {
    process.stderr.write(`usage: node ${process.argv[1]} http://127.0.0.1:8545\n`);
    process.exit(2);
  }
  const record = new Record();
  try {
    await script({ url, socket: url.replace(/^http/, 'ws'), note: record.note.bind(record) });
  } catch (error) {
    // The steps so far are compared; where it broke off is one of them.
    record.steps.push({ step: BROKE_OFF, value: failure(error) });
    process.stderr.write(`${error?.stack ?? JSON.stringify(error)}\n`.slice(0, 2000));
  }
  await record.print();
  process.exit(0);
}
