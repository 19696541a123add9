/**
 * The machine's own package sources, read in both of apt's formats and written again as a private list. Only what the
 * machine already uses and trusts is ever written: same address, same keyring.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './run-command.js';

/** One entry of the package sources. Field names are those of the deb822 format. */
export interface SourceEntry {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Every other field, such as `Signed-By`, with its continuation lines as they stood. */
  readonly others: ReadonlyMap<string, string>;
}

/** Reads the enabled binary-package entries of this machine; files that cannot be read are passed over. */
export async function readSources(env: NodeJS.ProcessEnv): Promise<SourceEntry[]> {
  const shell = ['shell', 'LIST', 'Dir::Etc::sourcelist/f', 'PARTS', 'Dir::Etc::sourceparts/d'];
  const config = await runCommand('apt-config', shell, { env, timeoutMs: 15_000 });
  const list = /^LIST='(.*)'$/m.exec(config.stdout)?.[1] ?? '/etc/apt/sources.list';
  const parts = /^PARTS='(.*)'$/m.exec(config.stdout)?.[1] ?? '/etc/apt/sources.list.d';
  const names = await readdir(parts).catch(() => []);
  const files = [list, ...names.sort().map((name) => join(parts, name))];
  const entries: SourceEntry[] = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (file.endsWith('.sources')) entries.push(...parseStanzas(text));
    else if (file.endsWith('.list')) entries.push(...parseLines(text));
  }
  return entries;
}

/** Parses the deb822 format: stanzas of `Field: value`, a value going on in lines that begin with a blank. */
export function parseStanzas(text: string): SourceEntry[] {
  const entries: SourceEntry[] = [];
  const kept = text.split('\n').filter((line) => !line.startsWith('#'));
  for (const stanza of kept.join('\n').split(/\n[ \t]*\n/)) {
    const fields = new Map<string, string>();
    for (const match of stanza.matchAll(/^([A-Za-z][\w-]*):[ \t]*(.*(?:\n[ \t].*)*)/gm)) {
      fields.set(match[1]!.toLowerCase(), match[2]!.trimEnd());
    }
    const take = (name: string): string[] => {
      const words = (fields.get(name) ?? '').split(/\s+/).filter((word) => word !== '');
      fields.delete(name);
      return words;
    };
    const isEnabled = !/^(no|false|0|off|disable)$/i.test(take('enabled')[0] ?? 'yes');
    const types = take('types');
    const entry = { uris: take('uris'), suites: take('suites'), components: take('components'), others: fields };
    if (isEnabled && types.includes('deb')) entries.push(entry);
  }
  return entries;
}

/** Parses the one-line format: `deb [option=value …] uri suite component…`. */
export function parseLines(text: string): SourceEntry[] {
  const entries: SourceEntry[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+([^\s#]+)([^#]*)/.exec(line);
    if (!match) continue;
    const others = new Map<string, string>();
    for (const option of (match[1] ?? '').split(/\s+/)) {
      const [name, value] = option.split(/=(.*)/s);
      if (name && value) others.set(name === 'arch' ? 'architectures' : name.toLowerCase(), value.replaceAll(',', ' '));
    }
    const components = match[4]!.split(/\s+/).filter((word) => word !== '');
    entries.push({ uris: [match[2]!], suites: [match[3]!], components, others });
  }
  return entries;
}

/** Writes entries in the deb822 format, package indexes only: translations and icons are no use to us. */
export function renderSources(entries: readonly SourceEntry[]): string {
  const stanza = (entry: SourceEntry): string => {
    const fields: [string, string][] = [
      ['Types', 'deb'],
      ['URIs', entry.uris.join(' ')],
      ['Suites', entry.suites.join(' ')],
      ['Components', entry.components.join(' ')],
      ...[...entry.others].filter(([name]) => name !== 'targets' && name !== 'languages'),
      ['Targets', 'Packages'],
    ];
    return fields
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `${name}: ${value}\n`)
      .join('');
  };
  return entries.map(stanza).join('\n');
}

/** The distribution's own entries, without those of third parties, which may not answer. Empty when none is recognised. */
export function ownSources(entries: readonly SourceEntry[], codenames: readonly string[]): SourceEntry[] {
  const suites = new Set(codenames.flatMap((name) => [name, `${name}-updates`, `${name}-security`, `${name}/updates`]));
  return entries
    .filter((entry) => entry.components.includes('main'))
    .map((entry) => ({ ...entry, suites: entry.suites.filter((suite) => suites.has(suite)) }))
    .filter((entry) => entry.suites.length > 0);
}
