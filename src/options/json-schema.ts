/** The JSON Schema of a configuration file, for editors and CI; Millrace itself validates with the table. */
import type { JsonSchema } from './kind.js';
import type { AnyRow } from './row.js';
import { sectionTitles } from './table.js';
import { optionRows, sectionOf } from './types.js';

/** Schema of the file that `--config` names, draft 7, which editors support best. */
export function jsonSchema(): JsonSchema {
  const root: Record<string, unknown> = {};
  const sections = new Map<string, Record<string, unknown>>([['', root]]);
  for (const [path, row] of optionRows) {
    const section = sectionOf(path);
    const properties = sections.get(section) ?? {};
    if (!sections.has(section)) {
      sections.set(section, properties);
      root[section] = { description: `${sectionTitles[section]}.`, ...strictObject(properties) };
    }
    properties[section === '' ? path : path.slice(section.length + 1)] = schemaOf(row);
  }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Configuration of Millrace',
    ...strictObject(root),
  };
}

// A section whose options are all commented out is null in YAML.
const strictObject = (properties: Record<string, unknown>): JsonSchema => ({
  type: ['object', 'null'],
  additionalProperties: false,
  properties,
});

function schemaOf(row: AnyRow): JsonSchema {
  const { fallback, doc, kind } = row;
  const described = { description: doc, ...(fallback.kind === 'fixed' ? { default: fallback.input } : {}) };
  return { ...described, ...(fallback.kind === 'none' ? { anyOf: [kind.schema, { type: 'null' }] } : kind.schema) };
}

/** JSON with two spaces and short arrays of plain values on one line, as the formatter of this repository has it. */
export function jsonText(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const items = Array.isArray(value)
    ? value.map((item) => jsonText(item, `${indent}  `))
    : Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${jsonText(item, `${indent}  `)}`);
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  if (items.length === 0) return open + close;
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return `[${items.join(', ')}]`;
  return `${open}\n${items.map((item) => `${indent}  ${item}`).join(',\n')}\n${indent}${close}`;
}
