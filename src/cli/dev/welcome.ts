/** What `dev` prints when it is ready: what it does, where to look, what to try. */
import { partitionOf } from '../../core/key/partition.js';
import type { Options } from '../../options/types.js';
import { redactUrl } from '../../options/urls.js';
import { accountKey } from './account-events.js';
import type { DevServer, DevServers } from './dev-servers.js';

export interface Welcome {
  readonly options: Options;
  readonly servers: DevServers;
  /** Base URL of the HTTP API, and of probes and metrics. */
  readonly url: string;
  readonly probesUrl: string;
  readonly accounts: number;
  readonly rate: number;
  readonly seconds: number | undefined;
  readonly keep: boolean;
}

/** The same for programs. */
export function welcomeFields({ options, servers, url, probesUrl, accounts, rate }: Welcome): object {
  const key = accountKey(7);
  const partition = partitionOf(key, options.partitions);
  return { url, probesUrl, ...shownUrls(servers), accounts, rate, key, partition };
}

export function welcomeText(welcome: Welcome): string {
  const { options, servers, url, probesUrl, accounts, rate, seconds, keep } = welcome;
  const { nats, redis } = servers;
  const shown = shownUrls(servers);
  const key = accountKey(7);
  const state = `millrace:{${options.app}:${partitionOf(key, options.partitions)}}:state`;
  const subject = options.stream.publishSubject.replace('{key}', key);
  const redisPort = new URL(redis.url).port || '6379';
  const tokenHeader = options.http.token === undefined ? '' : ' -H "Authorization: Bearer $MILLRACE_HTTP_TOKEN"';
  return `
Millrace is running.
  ${accounts} accounts get about ${rate} deposits and withdrawals a second, out of order by up to 1 s, and about 3 % of
  them twice. Millrace puts them in order, drops the repeats, and keeps the state of every account in Redis.

  nats-server    ${described(nats)}
  redis-server   ${described(redis)}
  HTTP           ${url}
  metrics        ${probesUrl}/metrics

Look at an account
  curl${tokenHeader} ${url}/v1/state/${key}
  npx millrace get ${key} --redis ${shown.redis}${flagsFor(options, ['app', 'partitions'])}
  ${redisCli(redis)} -p ${redisPort} HGET '${state}' ${key}

Publish by hand
  npx millrace publish ${key} --type deposit --data '{"amount":100}' --nats ${shown.nats}${flagsFor(options, ['partitions', 'stream'])}
  or from any NATS client: subject ${subject}, body {"id":"my-1","type":"deposit","data":{"amount":100}}

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
      stream.name === 'EVENTS' ? '' : ` --stream-name ${stream.name} --stream-subjects '${stream.subjects.join()}'`,
  };
  return of.map((name) => flags[name]).join('');
}

/** URLs without the credentials in them. */
function shownUrls({ nats, redis }: DevServers): { readonly nats: string; readonly redis: string } {
  return { nats: redactUrl(nats.url), redis: redactUrl(redis.url) };
}

function described({ url, own }: DevServer): string {
  return `${redactUrl(url)} (${own === undefined ? 'yours' : `${own.version}, data in ${own.dir}`})`;
}

/** `redis-cli`, or where it was unpacked to and what it needs there. */
function redisCli({ own }: DevServer): string {
  if (own?.binary.origin !== 'cache' || own.binary.cli === undefined) return 'redis-cli';
  const variables = Object.entries(own.binary.env).map(([name, value]) => `${name}=${value} `);
  return `${variables.join('')}${own.binary.cli}`;
}

function ending(seconds: number | undefined, keep: boolean): string {
  const when = seconds === undefined ? 'Ctrl-C stops it' : `It stops by itself after ${seconds} s`;
  const data = keep ? 'The data stay for the next time.' : 'Nothing is left behind; --keep keeps the data.';
  return `${when}: everything published is applied and compared with an independent fold of the stream.\n${data}`;
}
