// What differs between two lists of steps, and which of it is known.

/** The step that says that a script could not go on. */
export const BROKE_OFF = 'broke off';

/** Paths at which two values differ: `[{ path, anvil, motet }]`. */
export function differences(anvil, motet, path = '') {
  if (Object.is(anvil, motet)) return [];
  const bothObjects = [anvil, motet].every((value) => value !== null && typeof value === 'object');
  if (!bothObjects || Array.isArray(anvil) !== Array.isArray(motet)) return [{ path, anvil, motet }];
  const keys = new Set([...Object.keys(anvil), ...Object.keys(motet)]);
  return [...keys].sort().flatMap((key) => differences(anvil[key], motet[key], path ? `${path}.${key}` : key));
}

/** Differences of two lists of steps, compared by the steps' names, each with its step. */
export function stepDifferences(anvil, motet) {
  const names = (steps) => steps.map(({ step }) => step);
  const of = (steps, name) => steps.find(({ step }) => step === name);
  const all = [...new Set([...names(anvil), ...names(motet)])];
  // Behind the place where a script broke off there is nothing to compare; that it did is a difference.
  const brokeOff = of(motet, BROKE_OFF) !== undefined;
  return all.flatMap((step) => {
    const [one, other] = [of(anvil, step), of(motet, step)];
    if (brokeOff && !other) return [];
    if (!one || !other) return [{ step, path: '', anvil: one && one.value, motet: other && other.value }];
    // Where one has failed and the other has not, that is the difference.
    const failed = ({ value }) => value !== null && typeof value === 'object' && 'failed' in value;
    if (failed(one) !== failed(other)) return [{ step, path: '', anvil: one.value, motet: other.value }];
    return differences(one.value, other.value).map((found) => ({ step, ...found }));
  });
}

/** Whether a known difference is this one. A `*` in its step or path stands for anything. */
export function isKnown(known, client, { step, path }) {
  const fits = (pattern, text) =>
    new RegExp(`^${pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`).test(text);
  return fits(known.client, client) && fits(known.step, step) && fits(known.path, path);
}

export function shown(value) {
  const text = value === undefined ? '(nothing)' : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}
