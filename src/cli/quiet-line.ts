/** The log of a short command: a line on standard error when a server lets it wait, else nothing. */
import type { LogLine } from '../ports/log.js';
import type { Terminal } from './terminal.js';

export function quietLine(terminal: Terminal): LogLine {
  const said = new Set<string>();
  return (level, event) => {
    const server = /^(nats|redis)\.waiting$/.exec(event)?.[1];
    if (level !== 'warn' || server === undefined || said.has(server)) return;
    said.add(server);
    terminal.err(`waiting for ${server === 'nats' ? 'NATS' : 'Redis'} …`);
  };
}
