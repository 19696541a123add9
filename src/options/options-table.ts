/** The table of options in the README. */
import { defaultText } from './default-text.js';
import { optionRows } from './types.js';

/** Markdown: path, default, what is allowed, what it is for. Flags and variables follow from the path. */
export function optionsTable(): string {
  const lines = ['| Option | Default | Allowed | What it is for |', '| --- | --- | --- | --- |'];
  for (const [path, row] of optionRows) {
    const fixed = row.fallback.kind === 'fixed' ? `\`${defaultText(row)}\`` : defaultText(row);
    const cells = [`\`${path}\``, fixed, row.kind.allowed, row.doc];
    lines.push(`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}
