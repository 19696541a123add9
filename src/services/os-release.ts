/** What /etc/os-release says: which distribution this machine runs, so that packages of one are never used on another. */
import { readFile } from 'node:fs/promises';
import { arch, platform } from 'node:os';

interface OsRelease {
  /** Lower-case distribution name, `debian` or `ubuntu`; the platform's name where there is no os-release file. */
  readonly id: string;
  readonly version: string;
  /** Release names this machine may use in its package sources; a derivative names its parent's as well. */
  readonly codenames: readonly string[];
}

/** Reads the distribution's identity; never fails. */
export async function readOsRelease(): Promise<OsRelease> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([A-Z_]+)=["']?(.*?)["']?$/.exec(line.trim());
    if (match) fields.set(match[1]!, match[2]!);
  }
  const codenames = [fields.get('VERSION_CODENAME'), fields.get('UBUNTU_CODENAME')];
  return {
    id: fields.get('ID') ?? platform(),
    version: fields.get('VERSION_ID') ?? fields.get('VERSION_CODENAME') ?? '',
    codenames: [...new Set(codenames.filter((name): name is string => name !== undefined && name !== ''))],
  };
}

/** Directory name for programs that run on this machine and on its equals, such as `debian-12-x64`. */
export function platformKey(os: OsRelease): string {
  return [os.id, os.version, arch()]
    .filter((part) => part !== '')
    .join('-')
    .replaceAll(/[^\w.-]/g, '_');
}
