/**
 * Everything a stream holds, read by a consumer of the test's own through the plain client: the ground that the
 * oracle stands on. Nothing of Millrace takes part.
 */
import { createInbox, type Msg, type NatsConnection, nanos } from '@nats-io/nats-core';
import { until } from './until.js';

export interface Captured {
  readonly sequence: number;
  /** The stream's timestamp, whole epoch ms. */
  readonly timeMs: number;
  readonly subject: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

interface Info {
  readonly state: { readonly messages: number; readonly first_seq: number; readonly last_seq: number };
}

const PULL = 5_000;
const CAPTURE_MS = 60_000;

/** All events that a stream held when this was called, in stream order. */
export async function capture(nc: NatsConnection, stream: string, deadlineMs = CAPTURE_MS): Promise<Captured[]> {
  const { messages, last_seq: last } = await stateOf(nc, stream);
  const consumer = `capture-${Math.random().toString(36).slice(2)}`;
  const config = { name: consumer, ack_policy: 'none', deliver_policy: 'all', inactive_threshold: nanos(30_000) };
  await ask(nc, `$JS.API.CONSUMER.CREATE.${stream}.${consumer}`, { stream_name: stream, config });
  const captured: Captured[] = [];
  const inbox = createInbox();
  let asked = 0;
  const subscription = nc.subscribe(inbox, {
    callback: (error, message) => {
      if (error !== null) throw error;
      if (message.reply === undefined || message.reply === '') return;
      const parts = message.reply.split('.');
      const names = message.headers?.keys() ?? [];
      const sequence = Number(parts.at(-4));
      if (sequence > last) return; // came since
      captured.push({
        sequence,
        timeMs: Number(parts.at(-2)!.slice(0, -6)),
        subject: message.subject,
        headers: new Map(names.map((name) => [name.toLowerCase(), message.headers!.get(name)])),
        body: Buffer.from(message.data),
      });
    },
  });
  const pull = (): void => {
    if (asked > captured.length) return;
    asked += PULL;
    const request = JSON.stringify({ batch: PULL, expires: nanos(30_000) });
    nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, request, { reply: inbox });
  };
  await until(
    () => {
      pull();
      return captured.length >= messages;
    },
    deadlineMs,
    () => `${messages} events of ${stream}; ${captured.length} came`,
  );
  subscription.unsubscribe();
  await ask(nc, `$JS.API.CONSUMER.DELETE.${stream}.${consumer}`, {});
  if (messages > 0 && captured.at(-1)?.sequence !== last)
    throw new Error(`${stream} ends at ${captured.at(-1)?.sequence}, not ${last}`);
  return captured;
}

async function stateOf(nc: NatsConnection, stream: string): Promise<Info['state']> {
  return (await ask<Info>(nc, `$JS.API.STREAM.INFO.${stream}`, {})).state;
}

/** Asked once more if nothing comes: what is sent while a killed server is not back yet is lost without a word. */
async function ask<T>(nc: NatsConnection, subject: string, request: object): Promise<T> {
  const once = (timeout: number): Promise<Msg> => nc.request(subject, JSON.stringify(request), { timeout });
  const message = await once(5_000).catch(() => once(15_000));
  const answer = message.json<T & { error?: { description: string } }>();
  if (answer.error !== undefined) throw new Error(`${subject}: ${answer.error.description}`);
  return answer;
}
