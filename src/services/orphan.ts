/**
 * Servers whose parent was killed before it could stop them. A pidfile in the server's directory names the server and
 * its parent; before a new server starts there, a living orphan is stopped, and a server whose parent lives is refused.
 * A number alone proves nothing, it may have been given to another program since: the program's name and its working
 * directory must be ours as well.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { MillraceError } from '../errors.js';
import { untilReady } from './probe.js';
import { runCommand } from './run-command.js';

interface Seen {
  readonly program: string;
  readonly parent: number;
  readonly cwd: string;
}

const obeyMs = 10_000;
const dieMs = 5_000;
/** Linux keeps no more of a program's name. */
const nameCharsMax = 15;

/** Notes that `pid` runs in `dir` for this process. */
export function writePidfile(dir: string, program: string, pid: number): void {
  writeFileSync(pidfile(dir, program), `${pid} ${process.pid}\n`);
}

/** Removes the note, unless another server has taken the directory since. */
export function removePidfile(dir: string, program: string, pid: number): void {
  if (readPidfile(dir, program)?.pid === pid) rmSync(pidfile(dir, program), { force: true });
}

/**
 * Stops the orphan that `dir` still belongs to, if there is one.
 * @throws MillraceError `PORT_IN_USE` when the server's parent lives, because then the directory is in use.
 */
export async function stopOrphan(dir: string, program: string, path: string): Promise<void> {
  const noted = readPidfile(dir, program);
  if (noted === undefined) return;
  const names = [program, basename(path).slice(0, nameCharsMax)];
  const isOurs = (seen: Seen | undefined): boolean => seen?.cwd === dir && names.includes(seen.program);
  const seen = await inspect(noted.pid);
  if (!isOurs(seen)) return;
  // Adoption changes the parent, so that an equal one is the one that started the server.
  if (seen?.parent === noted.parent) {
    throw new MillraceError('PORT_IN_USE', `process ${noted.parent} already runs ${program} in ${dir}`);
  }
  const gone = (): Promise<void> => untilGone(noted.pid, isOurs, obeyMs);
  signal(noted.pid, 'SIGTERM');
  // A paused process hears SIGTERM only after it goes on.
  signal(noted.pid, 'SIGCONT');
  await gone().catch(async () => {
    signal(-noted.pid, 'SIGKILL');
    await untilGone(noted.pid, isOurs, dieMs);
  });
}

function untilGone(pid: number, isOurs: (seen: Seen | undefined) => boolean, withinMs: number): Promise<void> {
  const probe = async (): Promise<void> => {
    if (isOurs(await inspect(pid))) throw new Error(`process ${pid} does not end`);
  };
  return untilReady(probe, withinMs, new AbortController().signal);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function pidfile(dir: string, program: string): string {
  return join(dir, `${program}.pid`);
}

function readPidfile(dir: string, program: string): { pid: number; parent: number } | undefined {
  try {
    const match = /^(\d+) (\d+)\n$/.exec(readFileSync(pidfile(dir, program), 'utf8'));
    return match ? { pid: Number(match[1]), parent: Number(match[2]) } : undefined;
  } catch {
    return undefined;
  }
}

/** What runs under this number; undefined when nothing does, or nothing of ours. */
async function inspect(pid: number): Promise<Seen | undefined> {
  if (process.platform !== 'linux') return inspectByTools(pid);
  try {
    const proc = `/proc/${pid}`;
    const program = (await readFile(`${proc}/comm`, 'utf8')).trimEnd();
    // The name stands in parentheses and may hold anything; the state and the parent follow the last one.
    const stat = await readFile(`${proc}/stat`, 'utf8');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    return { program, parent, cwd: await readlink(`${proc}/cwd`) };
  } catch {
    return undefined;
  }
}

async function inspectByTools(pid: number): Promise<Seen | undefined> {
  const ps = await runCommand('ps', ['-o', 'ppid=,comm=', '-p', `${pid}`], { timeoutMs: 10_000 });
  const lsof = await runCommand('lsof', ['-a', '-p', `${pid}`, '-d', 'cwd', '-Fn'], { timeoutMs: 10_000 });
  const process = /^\s*(\d+)\s+(.+)$/m.exec(ps.stdout);
  const cwd = /^n(.+)$/m.exec(lsof.stdout)?.[1];
  if (!process || cwd === undefined) return undefined;
  return { program: basename(process[2]!.trim()), parent: Number(process[1]), cwd };
}
