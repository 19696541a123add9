/** Which headers of an event are carried on, and which are not worth it. */
import { expect, it } from 'vitest';
import { traceOf } from '../../src/core/event/trace-context.js';

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const block = (...lines: string[]): string => `NATS/1.0\r\n${lines.join('\r\n')}\r\n\r\n`;

it.each([
  ['nothing', undefined, undefined],
  ['no trace', block('Nats-Msg-Id: a'), undefined],
  ['a parent', block('Nats-Msg-Id: a', `Traceparent: ${PARENT}`), { traceparent: PARENT }],
  [
    'a parent and its state',
    block(`traceparent:${PARENT}`, 'tracestate: a=1,b=2'),
    { traceparent: PARENT, tracestate: 'a=1,b=2' },
  ],
  [
    'a state that is too long',
    block(`traceparent: ${PARENT}`, `tracestate: ${'x'.repeat(513)}`),
    { traceparent: PARENT },
  ],
  ['a state that is no text', block(`traceparent: ${PARENT}`, 'tracestate: a=\u0001'), { traceparent: PARENT }],
  ['a state alone', block('tracestate: a=1'), undefined],
  ['a parent of another form', block('traceparent: 00-1-2-01', 'tracestate: a=1'), undefined],
])('%s', (_, headers, trace) => {
  expect(traceOf(headers)).toEqual(trace);
});
