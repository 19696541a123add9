/** Script: writes the files that follow from the option table. `node dist/src/options/generate.js` */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { generatedFiles } from './generated-files.js';

// From dist/src/options/ to the root of the repository.
const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

for (const { path, text } of generatedFiles()) writeFileSync(at(path), text);
