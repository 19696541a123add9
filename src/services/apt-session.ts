/**
 * Distribution packages without root: apt's own tools, with every directory that they write moved into a private one.
 * The machine's package state is read and never changed. Signatures are checked as always.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandEnd, runCommand } from './run-command.js';

export interface AptOptions {
  /** Directory of this session. */
  readonly dir: string;
  /** Private package sources in deb822 format; undefined takes the machine's own. */
  readonly sources?: string | undefined;
  /** `machine` reads the indexes the machine already has; `private` needs `update` first. */
  readonly lists: 'machine' | 'private';
  /** False ignores the machine's pins, which would forbid a suite the machine does not use. */
  readonly pins: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
}

const updateMs = 240_000;
const downloadMs = 240_000;
const queryMs = 60_000;
const unpackMs = 120_000;

/** One private configuration of apt and what is done with it. */
export class AptSession {
  readonly #options: AptOptions;
  readonly #config: string;

  private constructor(options: AptOptions) {
    this.#options = options;
    this.#config = join(options.dir, 'apt.conf');
  }

  static async open(options: AptOptions): Promise<AptSession> {
    const { dir, sources } = options;
    await mkdir(join(dir, 'cache', 'archives', 'partial'), { recursive: true });
    await mkdir(join(dir, 'state', 'lists', 'partial'), { recursive: true });
    if (sources !== undefined) await writeFile(join(dir, 'private.sources'), sources);
    const session = new AptSession(options);
    await writeFile(session.#config, aptConfig(options));
    return session;
  }

  /** Fetches the indexes. A failure may be that of one entry among many; the packages asked for decide, not the code. */
  async update(): Promise<CommandEnd> {
    return this.#run('apt-get', ['update', '-q'], updateMs);
  }

  /**
   * The packages and, transitively, the libraries they depend on that this machine lacks. Dependencies that are no
   * libraries (user accounts, service files) are for installing, and nothing is installed.
   */
  async withLibraries(packages: readonly string[]): Promise<string[]> {
    const installed = await this.#installedPackages();
    const wanted = new Set(packages);
    let added = [...packages];
    while (added.length > 0) {
      const end = await this.#run('apt-cache', ['depends', '--important', ...added], queryMs);
      if (end.failure !== undefined) throw new Error(end.failure);
      added = libraryNames(end.stdout).filter((name) => !installed.has(name) && !wanted.has(name));
      for (const name of added) wanted.add(name);
    }
    return [...wanted];
  }

  /** Downloads packages and unpacks them into `target`. */
  async unpack(packages: readonly string[], target: string): Promise<void> {
    const debs = `${target}-debs`;
    await mkdir(debs, { recursive: true });
    await mkdir(target, { recursive: true });
    const end = await this.#run('apt-get', ['download', '-q', ...packages], downloadMs, debs);
    if (end.failure !== undefined) throw new Error(end.failure);
    for (const name of await readdir(debs)) {
      if (name.endsWith('.deb')) await this.#unpackOne(debs, name, target);
    }
  }

  async #unpackOne(debs: string, name: string, target: string): Promise<void> {
    const end = await this.#run('dpkg-deb', ['-x', name, target], unpackMs, debs);
    if (end.failure === undefined) return;
    // A package is an ar archive with one compressed tar of files; this way serves where dpkg-deb is missing or too old.
    const parts = join(debs, `${name}.parts`);
    await mkdir(parts, { recursive: true });
    const split = await this.#run('ar', ['x', join(debs, name)], unpackMs, parts);
    const data = split.failure === undefined && (await readdir(parts)).find((part) => part.startsWith('data.tar'));
    if (!data) throw new Error(end.failure);
    const tar = await this.#run('tar', ['-x', '-f', join(parts, data), '-C', target], unpackMs);
    if (tar.failure !== undefined) throw new Error(tar.failure);
  }

  async #installedPackages(): Promise<Set<string>> {
    // The format is for dpkg-query to fill in; the shell never sees it.
    const format = '$' + '{Package} $' + '{db:Status-Status}\\n';
    const end = await this.#run('dpkg-query', ['-W', '-f', format], queryMs);
    const lines = end.stdout.split('\n').filter((line) => line.endsWith(' installed'));
    return new Set(lines.map((line) => line.slice(0, line.indexOf(' '))));
  }

  #run(file: string, args: readonly string[], timeoutMs: number, cwd?: string): Promise<CommandEnd> {
    const takesConfig = file === 'apt-get' || file === 'apt-cache';
    const env = { ...this.#options.env, LC_ALL: 'C' };
    const all = takesConfig ? ['-c', this.#config, ...args] : args;
    return runCommand(file, all, { cwd, env, timeoutMs, signal: this.#options.signal });
  }
}

/** Names of libraries in the output of `apt-cache depends`; lines of providers and virtual packages are passed over. */
function libraryNames(depends: string): string[] {
  const matches = depends.matchAll(/^ [ |](?:Pre)?Depends: ((?:lib|lua)[a-z0-9+.-]*)(?::\w+)?$/gm);
  return [...new Set([...matches].map((match) => match[1]!))];
}

function aptConfig({ dir, sources, lists, pins }: AptOptions): string {
  const lines = [
    // Hooks of the machine are for its own package state; some of them delete files or call services.
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    'Debug::NoLocking "1";',
    // apt started by root drops to a user who cannot write our directory; started by anybody else it drops nothing.
    'APT::Sandbox::User "root";',
    `Dir::Cache "${dir}/cache";`,
    `Dir::Cache::archives "${dir}/cache/archives/";`,
    // A third-party entry that never answers must not hold up the start for minutes.
    'Acquire::Retries "1";',
    'Acquire::http::Timeout "20";',
    'Acquire::https::Timeout "20";',
    '#clear Acquire::Languages;',
    'Acquire::Languages { "none"; };',
    'Acquire::PDiffs "false";',
  ];
  if (lists === 'private') lines.push(`Dir::State "${dir}/state";`, `Dir::State::lists "${dir}/state/lists/";`);
  if (sources !== undefined) {
    lines.push(`Dir::Etc::sourcelist "${dir}/private.sources";`, 'Dir::Etc::sourceparts "/dev/null";');
  }
  if (!pins) {
    lines.push('#clear APT::Default-Release;');
    lines.push('Dir::Etc::preferences "/dev/null";', 'Dir::Etc::preferencesparts "/dev/null";');
  }
  return `${lines.join('\n')}\n`;
}
