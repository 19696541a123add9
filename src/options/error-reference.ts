/** docs/errors.md, made from the one error table. */
import type { ErrorCategory } from '../errors.js';
import { errorTable } from '../errors.js';

const meanings: Readonly<Record<ErrorCategory, string>> = {
  transient: 'Something outside is busy or away. It is tried again, with longer and longer pauses; order is kept.',
  poison:
    'One event cannot be handled. It becomes a dead letter, or its key waits in quarantine; everything else goes on.',
  fenced: 'This node no longer owns the partition. It drops what it has in memory and writes nothing.',
  corrupt: 'Stored data cannot be trusted. The partition stops and says so; it never starts from nothing.',
  misuse: 'Options, commands or the API were used wrongly. Whoever called is told, with every problem at once.',
  bug: 'Something that must never happen has happened. The thread or the node stops rather than go on wrongly.',
};

export function errorReference(): string {
  const sections = (Object.keys(meanings) as ErrorCategory[]).map((category) => {
    const rows = Object.entries(errorTable).filter(([, row]) => row.category === category);
    const lines = rows.map(([code, { next }]) => `| \`${code}\` | ${next.replaceAll('|', '\\|')} |`);
    return [`## ${category}`, '', meanings[category], '', '| Code | What to do |', '| --- | --- |', ...lines].join(
      '\n',
    );
  });
  const head =
    '# Errors\n\n<!-- Generated from src/errors.ts: npm run generate -->\n\n' +
    'Every error has a stable code, what happened, and what to do next. The category says what Millrace does about it.';
  return `${[head, ...sections].join('\n\n')}\n`;
}
