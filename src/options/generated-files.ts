/** The files that are made from the option table and kept in the repository. */
import { defaultFile } from './default-file.js';
import { jsonSchema, jsonText } from './json-schema.js';

/** Path from the root of the repository, and the text that must be there. */
interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

/** config/default.yaml and config/schema.json as they must be. */
export function generatedFiles(): readonly GeneratedFile[] {
  return [
    { path: 'config/default.yaml', text: defaultFile() },
    { path: 'config/schema.json', text: `${jsonText(jsonSchema())}\n` },
  ];
}
