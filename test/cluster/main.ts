/**
 * Several nodes on this machine, on real servers, with load and with faults:
 *   npm run cluster -- --minutes 1 --nodes 3 [--no-faults] [--rate 1000] [--seed N]
 * Ends with a verdict; exit code 1 if anything was wrong.
 */
import { parseArgs } from 'node:util';
import { runCluster } from './cluster-run.js';
import { Screen } from './screen.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '3' },
    'no-faults': { type: 'boolean', default: false },
    rate: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});

function number(name: 'minutes' | 'nodes' | 'rate' | 'seed', min: number, max: number): number {
  const value = Number(values[name]);
  if (value >= min && value <= max && (name === 'minutes' || Number.isInteger(value))) return value;
  process.stderr.write(`--${name} must be ${min} to ${max}, not ${values[name]}\n`);
  process.exit(2);
}

const screen = new Screen(process.stdout);
process.stdout.write(`Starting the servers and ${values.nodes} nodes (seed ${values.seed}) …\n`);
const result = await runCluster({
  lengthMs: number('minutes', 0.05, 1_440) * 60_000,
  nodes: number('nodes', 1, 16),
  rate: number('rate', 1, 20_000),
  seed: number('seed', 0, 2 ** 31),
  faults: !values['no-faults'],
  show: (view) => screen.draw(view),
});
const { events, applied, duplicates, deadLetters, faults, moves, violations } = result;
const struck = Object.entries(faults).map(([kind, count]) => `${count} ${kind}`);
process.stdout.write(
  [
    '',
    `${events} events stored, ${applied} applied, ${duplicates} duplicates dropped, ${deadLetters} dead letters`,
    `${moves.handedOver} partitions handed over (${moves.replayed} events replayed by that), ${moves.takenOver} taken over, ${moves.fenced} stale owners refused`,
    `faults: ${struck.length === 0 ? 'none' : struck.join(', ')}`,
    ...violations.map((violation) => `FINDING: ${violation}`),
    violations.length === 0
      ? 'OK: what is stored equals an independent fold of the stream: nothing lost, repeated or reordered'
      : `${violations.length} findings; seed ${values.seed}`,
    '',
  ].join('\n'),
);
process.exitCode = violations.length === 0 ? 0 : 1;
