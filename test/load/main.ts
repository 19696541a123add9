/**
 * Load scenarios on servers and a node of their own, on this machine:
 *   npm run load -- stress  [--rate 2000] [--seconds 8]     doubles the load until lag grows, and names the knee
 *   npm run load -- soak    [--rate 2000] [--minutes 60]    the same load for long, and how memory goes
 *   npm run load -- spike   [--rate 2000] [--seconds 20]    ten times the load for a tenth of the time
 *   npm run load -- hot-key [--rate 2000] [--seconds 10]    one key takes half of all events
 * All take --keys N, --publishers N, --seed N, --order time|none|sequence and --json. Exit code 1 if anything was wrong.
 * The publishers, nats-server, redis-server and the node share the cores of the machine.
 */
import { parseArgs } from 'node:util';
import { killCommands } from '../integration/cli-process.js';
import { LoadGround } from './load-ground.js';
import { scenarios } from './scenarios.js';

const text = { type: 'string' } as const;
const { values, positionals } = parseArgs({
  options: {
    ...{ rate: text, seconds: text, minutes: text, keys: text, publishers: text, seed: text, order: text },
    json: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});

function usage(problem: string): never {
  process.stderr.write(`${problem}\nUsage: npm run load -- ${Object.keys(scenarios).join('|')} [--rate N] …\n`);
  process.exit(2);
}

function count(name: 'rate' | 'seconds' | 'minutes' | 'keys' | 'publishers' | 'seed', fallback: number): number {
  const value = values[name];
  if (value === undefined) return fallback;
  return /^[1-9]\d{0,8}$/.test(value) ? Number(value) : usage(`--${name} must be a whole number above 0, not ${value}`);
}

const name = positionals[0] ?? '';
const scenario = Object.hasOwn(scenarios, name) ? scenarios[name]! : usage(`there is no scenario ${name}`);
const mode = values.order ?? 'time';
if (mode !== 'time' && mode !== 'none' && mode !== 'sequence')
  usage(`--order must be time, none or sequence, not ${mode}`);
const options = {
  ...{
    rate: count('rate', 2_000),
    seconds: count('seconds', name === 'spike' ? 20 : 10),
    minutes: count('minutes', 60),
  },
  ...{ keys: count('keys', 10_000), publishers: count('publishers', 1), seed: count('seed', 1) },
  say: (line: string) => void process.stderr.write(`${line}\n`),
};
const ground = await LoadGround.start({ order: { mode } });
try {
  const result = await scenario(ground, options);
  process.stdout.write(`${values.json ? JSON.stringify({ scenario: name, ...result }) : result.text}\n`);
  for (const finding of result.findings) process.stderr.write(`FOUND  ${finding}\n`);
  process.exitCode = result.findings.length > 0 ? 1 : 0;
} finally {
  await ground.stop();
  await killCommands();
}
