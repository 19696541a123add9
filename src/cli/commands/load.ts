/** `millrace load`: how much it takes, how quickly, and whether what came out is right. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { LoadTarget } from '../../compose/load-target.js';
import { codeOf, MillraceError, messageOf } from '../../errors.js';
import type { Options } from '../../options/types.js';
import { redactUrl } from '../../options/urls.js';
import { addressOf, addUrl, askNode, type NodeAddress } from '../ask-node.js';
import { exitCode } from '../exit-codes.js';
import { durationFlag, wholeFlag } from '../flag-values.js';
import type { Check } from '../load/load-audit.js';
import { resultPlot, resultText } from '../load/load-result.js';
import { runLoad } from '../load/load-session.js';
import { type ProfileName, profileNames } from '../load/rate-profile.js';
import { addOptions, loadOptions, placeOptions } from '../load-options.js';
import type { CommandHost } from '../program.js';
import { ProgressLine } from '../progress-line.js';
import { stopSignals } from '../stop-signals.js';
import type { Terminal } from '../terminal.js';
import { grouped } from '../text.js';
import { verifyStored } from './verify.js';

interface Flags {
  readonly target: 'nats' | 'http';
  readonly profile: ProfileName;
  readonly rate: number;
  readonly peak?: number;
  readonly duration: number;
  readonly keys: number;
  readonly skew: number;
  readonly hot: number;
  readonly size: number;
  readonly duplicates: number;
  readonly disorder: number;
  readonly publishers: number;
  readonly window: number;
  readonly samples: number;
  readonly warmUp: number;
  readonly drain: number;
  readonly seed: number;
  readonly url?: string;
  readonly watch: boolean;
  readonly verify: boolean;
  readonly plot?: string;
  readonly json?: boolean;
}

const EVENTS_MAX = 100_000_000;
const PEAK_FACTOR = 4;

export function addLoad(command: Command, { terminal, end }: CommandHost): void {
  for (const option of loadFlags()) command.addOption(option);
  command.option('--no-watch', 'only publish: no node is asked, nothing beyond acknowledgements is measured');
  command.option('--no-verify', 'leave out the comparison of all states with a fold of the whole stream');
  command.option('--plot <file>', 'write rates, latency and lag over the time, SVG');
  command.option('--json', 'print JSON');
  addUrl(command).addHelpText('after', help);
  const rest = ['handler', 'handlerOptions', 'order', 'dedupe', 'limits', 'http'] as const;
  addOptions(command, [...placeOptions, ...rest]).action(async (flags: Flags, self: Command) => {
    const { options } = loadOptions(self, terminal);
    check(flags, options);
    const checks = await perform(flags, options, terminal);
    end(checks.some(({ level }) => level === 'finding') ? exitCode.finding : exitCode.ok);
  });
}

const help = `
The schedule is fixed beforehand, and latency counts from the moment that it gave an event: nothing is left out because
the target was slow. Events are deposits under keys load-0, load-1, …; the handlers status and ledger apply them.
With order.mode sequence events are numbered, their keys are of this load alone (load-…-0, …), and disorder sends them in
another order than that of their numbers; all within order.gapTimeout, if nothing is to be given up.
A burst takes a tenth of every ten seconds. Ctrl-C ends it with the results so far.

Examples:
  $ millrace load --rate 5000 --duration 30s --duplicates 3 --disorder 500ms
  $ millrace load --target http --profile ramp --rate 20000 --keys 100000 --skew 1.1 --plot load.svg
`;

function loadFlags(): Option[] {
  const whole = (flag: string, text: string, fallback: number, min: number, max: number): Option =>
    new Option(flag, text).default(fallback).argParser(wholeFlag(min, max));
  const part = (flag: string, text: string, fallback: number, max: number): Option =>
    new Option(flag, text).default(fallback).argParser(decimalFlag(max));
  return [
    new Option('--target <target>', 'NATS itself, or the HTTP API of the node')
      .choices(['nats', 'http'])
      .default('nats'),
    new Option('--profile <profile>', 'how the rate goes').choices(profileNames).default('constant'),
    whole('--rate <n>', 'events per second; of a ramp, at its end', 1_000, 1, 1_000_000),
    new Option('--peak <n>', 'events per second in a burst (default: 4 times the rate)').argParser(
      wholeFlag(1, 1_000_000),
    ),
    new Option('--duration <time>', 'length of the schedule').default(10_000, '10s').argParser(durationFlag),
    new Option('--warm-up <time>', 'first part of the schedule, whose latencies are not counted')
      .default(0, '0')
      .argParser(spanFlag),
    whole('--keys <n>', 'how many keys', 1_000, 1, 10_000_000),
    part('--skew <n>', "exponent of Zipf's law by which some keys are busier; 0: all alike", 0, 5),
    part('--hot <percent>', 'of the events that one key takes, besides its share of the rest', 0, 100),
    whole('--size <bytes>', 'size of a body', 150, 1, 1_000_000),
    part('--duplicates <percent>', 'of the events that repeat an earlier one', 0, 90),
    new Option(
      '--disorder <time>',
      'events happened up to so long before they are sent; late beyond order.settle and order.idle',
    )
      .default(0, '0')
      .argParser(spanFlag),
    whole('--publishers <n>', 'processes that publish, each with a connection of its own', 1, 1, 32),
    whole('--window <n>', 'events that wait for their acknowledgement at most', 5_000, 1, 1_000_000),
    whole('--samples <n>', 'events per second that are followed until they are durable', 10, 1, 100),
    new Option('--drain <time>', 'how long the node may take for what is left')
      .default(60_000, '60s')
      .argParser(durationFlag),
    whole('--seed <n>', 'the same seed gives the same keys, amounts and repeats', 1, 0, 2 ** 31),
  ];
}

/** `0` and durations. */
function spanFlag(text: string): number {
  return text === '0' ? 0 : durationFlag(text);
}

function decimalFlag(max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,3}(?:\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
    if (value <= max) return value;
    throw new InvalidArgumentError(`It must be a number from 0 to ${max}.`);
  };
}

function check(flags: Flags, { sql }: Options): void {
  const problems: string[] = [];
  const { rate, peak = 0, duration, warmUp, profile, target, watch } = flags;
  if ((Math.max(rate, profile === 'burst' ? peak : 0) * duration) / 1_000 > EVENTS_MAX)
    problems.push(`rate and duration make more than ${grouped(EVENTS_MAX)} events`);
  if (warmUp >= duration) problems.push('--warm-up must be shorter than --duration');
  if (flags.peak !== undefined && profile !== 'burst') problems.push('--peak is for --profile burst');
  if (target === 'nats' && sql.url !== undefined) problems.push('events of a SQL database go over --target http');
  if (target === 'http' && !watch) problems.push('--no-watch is for --target nats: over HTTP the node answers anyway');
  if (problems.length > 0) throw new MillraceError('REQUEST_INVALID', problems.join('; '), { problems });
}

async function perform(flags: Flags, options: Options, terminal: Terminal): Promise<readonly Check[]> {
  const isQuiet = flags.json === true;
  const address = addressOf(flags, options, terminal.env);
  const node = await nodeOf(flags, address, terminal);
  const { target, text: targetText } = targetOf(flags, options, address);
  const { rate, duration: durationMs, profile } = flags;
  const peak = flags.peak ?? rate * PEAK_FACTOR;
  if (!isQuiet) terminal.err(`load on ${targetText}: ${profile}, ${grouped(rate)} a second, ${durationMs / 1_000} s`);
  const progress = new ProgressLine(terminal, isQuiet);
  const stopping = stopSignals(() => progress.show('ending; the results so far follow'));
  try {
    const result = await runLoad({
      ...{ target, targetText, publishSubject: options.stream.publishSubject, partitions: options.partitions },
      profile: { profile, rate, peak, durationMs },
      events: {
        ...{ seed: flags.seed, keys: flags.keys, skew: flags.skew, hot: flags.hot / 100, size: flags.size },
        ...{ duplicates: flags.duplicates / 100, disorderMs: flags.disorder, run: randomBytes(5).toString('hex') },
        numbersFrom: options.order.mode === 'sequence' ? options.order.first : undefined,
      },
      ...{ publishers: flags.publishers, window: flags.window, samples: flags.samples, warmUpMs: flags.warmUp },
      ...{ drainMs: flags.drain, node },
      isLateApplied: options.order.late === 'apply',
      signal: stopping.signal,
      show: (line) => progress.show(line),
    });
    progress.end();
    const isVerified = flags.verify && node !== undefined && !result.isInterrupted;
    const states = isVerified ? [await statesCheck(options, terminal, isQuiet)] : [];
    const whole = { ...result, audit: [...result.audit, ...states] };
    terminal.out(isQuiet ? JSON.stringify(whole) : resultText(whole));
    if (flags.plot !== undefined) await writePlot(flags.plot, resultPlot(whole));
    return whole.audit;
  } finally {
    stopping.release();
    progress.end();
  }
}

/** Undefined where none answers and none is needed. */
async function nodeOf(flags: Flags, address: NodeAddress, terminal: Terminal): Promise<NodeAddress | undefined> {
  if (!flags.watch) return undefined;
  try {
    await askNode(address, '/v1/status');
    return address;
  } catch (error) {
    if (flags.target === 'http' || flags.url !== undefined || codeOf(error) !== 'NODE_UNREACHABLE') throw error;
    terminal.err(`${messageOf(error)}: only acknowledgements are measured; see --url`);
    return undefined;
  }
}

function targetOf(flags: Flags, { nats, stream }: Options, { url, token }: NodeAddress): TargetText {
  if (flags.target === 'http') return { target: { kind: 'http', url, token }, text: url };
  const expected = stream.count === 1 ? stream.name : undefined;
  return { target: { kind: 'nats', nats, stream: expected }, text: redactUrl(nats.url) };
}

interface TargetText {
  readonly target: LoadTarget;
  readonly text: string;
}

/** What `millrace verify` says. */
async function statesCheck(options: Options, terminal: Terminal, isQuiet: boolean): Promise<Check> {
  try {
    const { different, keys, events, first } = await verifyStored(options, terminal, isQuiet);
    const all = `${grouped(keys)} keys with a fold of ${grouped(events)} events by one thread`;
    if (different === 0) return { check: 'states', level: 'ok', found: `compared ${all}` };
    const found = `${grouped(different)} of ${all} differ; the first is ${first?.key}`;
    return { check: 'states', level: 'finding', found };
  } catch (error) {
    return { check: 'states', level: 'unknown', found: `not compared: ${codeOf(error)}: ${messageOf(error)}` };
  }
}

async function writePlot(file: string, svg: string): Promise<void> {
  try {
    await writeFile(file, svg);
  } catch (cause) {
    throw new MillraceError('OPTIONS_INVALID', `${file} cannot be written: ${messageOf(cause)}`, { cause });
  }
}
