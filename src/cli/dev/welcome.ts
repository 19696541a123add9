/** What `dev` prints when it is ready: what it does, where to look, what to try. */
import { partitionOf } from '../../core/key/partition.js';
import type { Options } from '../../options/types.js';
import { accountKey } from './account-events.js';
import type { DemoPlace } from './demo-world.js';
import type { DevMode } from './dev-session.js';

export interface Welcome {
  readonly options: Options;
  readonly place: DemoPlace;
  /** Base URL of the HTTP API, and of probes and metrics. */
  readonly url: string;
  readonly probesUrl: string;
  readonly accounts: number;
  readonly rate: number;
  readonly seconds: number | undefined;
  readonly keep: boolean;
}

/** The first lines: what runs, and how to get the other. */
export function modeText(mode: DevMode): string {
  return mode === 'embedded'
    ? 'Embedded mode: events and state in one SQLite file, no server needed.\nWith real servers, nats-server and redis-server: npm start -- --services'
    : 'Services mode: events in nats-server, state in redis-server.\nWithout any server, in one SQLite file: npm start';
}

/** The same for programs. */
export function welcomeFields({ options, place, url, probesUrl, accounts, rate }: Welcome): object {
  const key = accountKey(7);
  const partition = partitionOf(key, options.partitions);
  return { url, probesUrl, ...place.fields, accounts, rate, key, partition };
}

export function welcomeText(welcome: Welcome): string {
  const { options, place, url, probesUrl, accounts, rate, seconds, keep } = welcome;
  const key = accountKey(7);
  const { store, parts, look, publishFlags, publishOtherwise } = place.text(options, key);
  const tokenHeader = options.http.token === undefined ? '' : ' -H "Authorization: Bearer $MILLRACE_HTTP_TOKEN"';
  const [get, ...more] = look;
  const shown = [...parts, ['HTTP', url], ['metrics', `${probesUrl}/metrics`]] as const;
  return `
Millrace is running.
  ${accounts} accounts get about ${rate} deposits and withdrawals a second, out of order by up to 1 s, and about 3 % of
  them twice. Millrace puts them in order, drops the repeats, and keeps the state of every account in ${store}.

${shown.map(([name, description]) => `  ${name.padEnd(14)} ${description}`).join('\n')}

Look at an account
  curl${tokenHeader} ${url}/v1/state/${key}
${[`${get}${flagsFor(options, ['app', 'partitions'])}`, ...more].map((command) => `  ${command}`).join('\n')}

Publish by hand
  npx millrace publish ${key} --type deposit --data '{"amount":100}'${publishFlags}${flagsFor(options, ['partitions', 'stream'])}
  or ${publishOtherwise}

Look at the node
  npx millrace status --url ${url}

${ending(seconds, keep)}
`;
}

/** Flags that a command needs to find what is not where it is by default. */
function flagsFor({ app, partitions, stream }: Options, of: readonly ('app' | 'partitions' | 'stream')[]): string {
  const flags = {
    app: app === 'main' ? '' : ` --app ${app}`,
    partitions: partitions === 64 ? '' : ` --partitions ${partitions}`,
    stream:
      (stream.name === 'EVENTS' ? '' : ` --stream-name ${stream.name} --stream-subjects '${stream.subjects.join()}'`) +
      (stream.count === 1 ? '' : ` --streams ${stream.count}`),
  };
  return of.map((name) => flags[name]).join('');
}

function ending(seconds: number | undefined, keep: boolean): string {
  const when = seconds === undefined ? 'Ctrl-C stops it' : `It stops by itself after ${seconds} s`;
  const data = keep ? 'The data stay for the next time.' : 'Nothing is left behind; --keep keeps the data.';
  return `${when}: everything published is applied and compared with an independent fold of the stream.\n${data}`;
}
