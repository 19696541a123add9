/** The nats-server versions that this machine can have: the one users get, and newer ones of the same distribution. */
import { locateServer, type ServerBinary } from '../../src/services/binaries.js';
import { fetchNatsServer } from '../../src/services/suite-binary.js';

/** Suites with other versions than the distribution's own: 2.10 and 2.15 when this was written. */
const suites = ['trixie', 'forky'];

/** The default server first. Versions that cannot be had here are left out; the first one must be. */
export async function natsBinaries(): Promise<readonly ServerBinary[]> {
  const binaries = [await locateServer('nats')];
  for (const suite of suites) {
    const other = await fetchNatsServer({ suite });
    const isNew = other.kind === 'found' && binaries.every(({ version }) => version !== other.binary.version);
    if (isNew) binaries.push(other.binary);
  }
  return binaries;
}
