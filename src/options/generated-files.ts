/** The files that are made from the tables of options and errors and kept in the repository. */
import { defaultFile } from './default-file.js';
import { errorReference } from './error-reference.js';
import { jsonSchema, jsonText } from './json-schema.js';
import { optionReference } from './options-table.js';

/** Path from the root of the repository, and the text that must be there. */
interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

/** What the files must be. */
export function generatedFiles(): readonly GeneratedFile[] {
  return [
    { path: 'config/default.yaml', text: defaultFile() },
    { path: 'config/schema.json', text: `${jsonText(jsonSchema())}\n` },
    { path: 'docs/errors.md', text: errorReference() },
    { path: 'docs/options.md', text: optionReference() },
  ];
}
