/** Entry of a publishing process of `millrace load`. */
import { servePublishing } from '../src/cli/load/publishing-process.js';

servePublishing();
