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

const BEGIN = '<!-- options:begin';
const END = '<!-- options:end -->';

/** The README with the table between its two markers as it must be. */
export function withOptionsTable(readme: string): string {
  const begin = readme.indexOf('\n', readme.indexOf(BEGIN)) + 1;
  const end = readme.indexOf(END);
  return `${readme.slice(0, begin)}${optionsTable()}${readme.slice(end)}`;
}
