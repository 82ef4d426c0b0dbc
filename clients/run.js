#!/usr/bin/env node
// Runs every client's script against anvil and against Motet and compares what they saw.
//
//   npm ci --ignore-scripts && node run.js [--only NAME,..] [--anvil-only] [--json FILE]
//
// Binaries: MOTET_BIN (else ../target/release/motet), MOTET_ANVIL (else the one from npm). Exit codes: 0 equal, or tools are
// missing and MOTET_CI is not set; 1 a difference that is not in known-differences.json, or one in there that is no more.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const SCRIPT_MS_MAX = 300_000;
const here = new URL('.', import.meta.url).pathname;
const { values: flags } = parseArgs({
  options: { only: { type: 'string' }, 'anvil-only': { type: 'boolean' }, json: { type: 'string' } },
});

function missing(what) {
  const must = process.env.MOTET_CI !== undefined;
  process.stderr.write(`${must ? 'missing' : 'skipped'}: ${what}\n`);
  process.exit(must ? 1 : 0);
}

if (!existsSync(join(here, 'node_modules', 'ethers'))) missing('the clients are not installed: npm ci --ignore-scripts in clients/');
const { binaries, start } = await import('./nodes.js');
const { BROKE_OFF, isKnown, shown, stepDifferences } = await import('./difference.js');
const { anvil, motet } = binaries();
if (!anvil) missing('no anvil: MOTET_ANVIL names none, and npm has installed none');
if (!motet && !flags['anvil-only']) missing('no motet: MOTET_BIN names none; cargo build --release makes one');

const all = readdirSync(join(here, 'scripts')).filter((file) => file.endsWith('.js')).map((file) => file.slice(0, -3)).sort();
const wanted = flags.only ? flags.only.split(',') : all;
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`unknown: ${unknown.join(', ')}; there are ${all.join(', ')}\n`);
  process.exit(2);
}

// What a client's script printed about one node.
async function steps(client, node, binary) {
  // A script that needs a node to be started otherwise says so in its first line: `// anvil: --flag`.
  const [head] = readFileSync(join(here, 'scripts', `${client}.js`), 'utf8').split('\n');
  const extra = head.startsWith(`// ${node}: `) ? head.slice(node.length + 5).trim().split(' ') : [];
  const { url, stop } = await start(node, binary, extra);
  try {
    return await new Promise((done, fail) => {
      const child = spawn(process.execPath, [join(here, 'scripts', `${client}.js`), url], { stdio: ['ignore', 'pipe', 'pipe'] });
      const out = [];
      let said = '';
      child.stdout.on('data', (chunk) => out.push(chunk));
      child.stderr.on('data', (chunk) => (said = (said + chunk).slice(-4096)));
      const timer = setTimeout(() => child.kill('SIGKILL'), SCRIPT_MS_MAX);
      child.on('error', fail);
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        if (said) process.stderr.write(`${client} on ${node}: ${said.trim()}\n`);
        try {
          if (code !== 0) throw new Error(signal ?? `exit code ${code}`);
          done(JSON.parse(Buffer.concat(out).toString()));
        } catch (error) {
          fail(new Error(`${client} on ${node}: ${error.message}`));
        }
      });
    });
  } finally {
    await stop();
  }
}

const known = JSON.parse(readFileSync(join(here, 'known-differences.json'), 'utf8'));
const met = new Set();
const report = [];
let [stepCount, bad] = [0, 0];
for (const client of wanted) {
  try {
    const ofAnvil = await steps(client, 'anvil', anvil);
    const broken = ofAnvil.find(({ step }) => step === BROKE_OFF);
    if (broken) throw new Error(`${client} broke off on anvil: ${shown(broken.value)}`);
    stepCount += ofAnvil.length;
    if (flags['anvil-only']) {
      process.stdout.write(`${client}: ${ofAnvil.length} steps on anvil\n`);
      report.push({ client, steps: ofAnvil });
      continue;
    }
    const ofMotet = await steps(client, 'motet', motet);
    const found = stepDifferences(ofAnvil, ofMotet).map((difference) => {
      const entry = known.find((entry) => isKnown(entry, client, difference));
      if (entry) met.add(entry);
      return { client, ...difference, known: entry?.reason };
    });
    const news = found.filter((difference) => !difference.known);
    bad += news.length;
    report.push({ client, steps: ofMotet.length, differences: found });
    const excused = found.length - news.length;
    process.stdout.write(`${client}: ${ofAnvil.length} steps, ${news.length} differences${excused ? `, ${excused} known` : ''}\n`);
    for (const { step, path, anvil, motet } of news) {
      process.stdout.write(`  ${step}${path && `: ${path}`}\n    anvil ${shown(anvil)}\n    motet ${shown(motet)}\n`);
    }
  } catch (error) {
    bad += 1;
    report.push({ client, failed: error.message });
    process.stdout.write(`${client}: failed: ${error.message}\n`);
  }
}
// A reason for something that is not so any more misleads.
if (!flags['anvil-only'] && !flags.only) {
  for (const entry of known.filter((entry) => !met.has(entry))) {
    bad += 1;
    process.stdout.write(`known-differences.json: ${entry.client}, ${entry.step}, ${entry.path}: there is no such difference\n`);
  }
}
if (flags.json) writeFileSync(flags.json, JSON.stringify(report, null, 1));
process.stdout.write(`${wanted.length} clients, ${stepCount} steps, ${bad} differences that nobody knew of\n`);
process.exit(bad === 0 ? 0 : 1);
