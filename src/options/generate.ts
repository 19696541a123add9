/** Script: writes the files that follow from the option table. `node dist/src/options/generate.js` */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { generatedFiles } from './generated-files.js';

// From dist/src/options/ to the root of the repository.
const root = new URL('../../../', import.meta.url);

for (const file of generatedFiles()) writeFileSync(fileURLToPath(new URL(file.path, root)), file.text);
