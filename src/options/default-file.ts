/** The text of config/default.yaml: every option with its default and what it is for. */
import { stringify } from 'yaml';
import { defaultText } from './default-text.js';
import type { AnyRow } from './row.js';
import { sectionTitles } from './table.js';
import { optionRows, sectionOf } from './types.js';

const WIDTH = 110;

/** Every option at its default; what has none, or one that is worked out, stands there as a comment. */
export function defaultFile(): string {
  const lines = [
    '# yaml-language-server: $schema=./schema.json',
    '#',
    '# Every option of Millrace at its default. A file of your own needs only what differs; name it with --config.',
    '# Environment variables (MILLRACE_ORDER_SETTLE) go before the file, flags (--order-settle) before both.',
  ];
  let section = '';
  for (const [path, row] of optionRows) {
    const own = sectionOf(path);
    if (own !== section) lines.push('', `# ${sectionTitles[own]}.`, `${own}:`);
    else if (own === '') lines.push('');
    section = own;
    lines.push(...rowLines(own === '' ? path : path.slice(own.length + 1), row).map((line) => indent(own, line)));
  }
  return `${lines.join('\n')}\n`;
}

const indent = (section: string, line: string): string => (section === '' ? line : `  ${line}`);

function rowLines(name: string, row: AnyRow): string[] {
  const { fallback, kind, doc } = row;
  const comment = [...wrap(doc), ...wrap(`Allowed: ${kind.allowed.replaceAll('`', '')}`)].map((line) => `# ${line}`);
  if (fallback.kind === 'none') return [...comment, `# ${name}:`];
  if (fallback.kind === 'computed') return [...comment, `# ${name}: <${defaultText(row)}>`];
  const flow = { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 } as const;
  return [...comment, `${name}: ${stringify(fallback.input, flow).trim()}`];
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
