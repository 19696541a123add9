/** The reference of the options, docs/options.md. */
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

/** The page as it must be. */
export function optionReference(): string {
  return `# Options

Flag over environment over YAML file over default; unknown names are refused with a suggestion. \`order.settle\` is the flag
\`--order-settle\`, the variable \`MILLRACE_ORDER_SETTLE\`, and \`settle\` below \`order\` in the file; some have a shorter flag,
which \`--help\` shows. \`millrace config\` prints each value and where it came from. This page is made from
\`src/options/table.ts\` by \`npm run generate\`.

${optionsTable()}`;
}
