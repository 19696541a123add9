/**
 * A headless Chromium for tests of the dashboard: the machine's own, or the distribution's package, which is installed
 * where that is allowed and unpacked into Millrace's cache where it is not. A machine that can have none fails the test.
 */
import { access, mkdir, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { AptSession } from '../../src/services/apt-session.js';
import { cacheEntries } from '../../src/services/binaries.js';
import { makeWorkDir, publish, resolveCacheDir } from '../../src/services/cache-dir.js';
import { runCommand } from '../../src/services/run-command.js';

interface Found {
  readonly path: string;
  readonly env: Record<string, string>;
}

const INSTALL_MS = 280_000;
const PACKAGES = ['chromium', 'chromium-common', 'fontconfig-config', 'fonts-dejavu-core'];
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
];

/** Starts a browser of its own, with a fresh profile. */
export async function openBrowser(): Promise<Browser> {
  const { path, env } = await locateChromium();
  return chromium.launch({
    executablePath: path,
    headless: true,
    args: FLAGS,
    env: { ...(process.env as Record<string, string>), ...env },
  });
}

async function locateChromium(): Promise<Found> {
  const named = process.env.MILLRACE_CHROMIUM;
  if (named) return { path: named, env: {} };
  const installed = await onMachine();
  if (installed !== undefined) return installed;
  if (process.getuid?.() === 0) {
    await runCommand('apt-get', ['update', '-q'], { timeoutMs: INSTALL_MS });
    const packages = ['chromium', 'fonts-dejavu-core'];
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const args = ['install', '-y', '-q', '--no-install-recommends', ...packages];
    await runCommand('apt-get', args, { env, timeoutMs: INSTALL_MS });
    const now = await onMachine();
    if (now !== undefined) return now;
  }
  return unpacked();
}

async function onMachine(): Promise<Found | undefined> {
  for (const dir of (process.env.PATH ?? '').split(delimiter).concat('/usr/bin'))
    for (const program of ['chromium', 'chromium-browser', 'google-chrome'])
      if (dir !== '' && (await exists(join(dir, program)))) return { path: join(dir, program), env: {} };
  return undefined;
}

/** The package and the libraries that this machine lacks, unpacked without root. */
async function unpacked(): Promise<Found> {
  const cacheDir = await resolveCacheDir(process.env);
  const entry = join(await cacheEntries(cacheDir), 'chromium');
  const program = join(entry, 'usr/lib/chromium/chromium');
  if (!(await exists(program))) {
    const work = await makeWorkDir(cacheDir);
    try {
      await fetchInto(join(work, 'chromium'), work);
      await publish(join(work, 'chromium'), entry, () => exists(program));
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  const triplet = (
    await runCommand('dpkg-architecture', ['-qDEB_HOST_MULTIARCH'], { timeoutMs: 10_000 })
  ).stdout.trim();
  const dirs = ['usr/lib', 'lib'].flatMap((dir) => [join(entry, dir), join(entry, dir, triplet || guessTriplet())]);
  return {
    path: program,
    env: {
      LD_LIBRARY_PATH: dirs.join(delimiter),
      FONTCONFIG_PATH: join(entry, 'etc/fonts'),
      XDG_DATA_HOME: join(entry, 'usr/share'),
    },
  };
}

async function fetchInto(target: string, work: string): Promise<void> {
  const dir = join(work, 'apt');
  await mkdir(dir, { recursive: true });
  const session = await AptSession.open({ dir, lists: 'private', pins: true, env: process.env });
  const { failure } = await session.update();
  try {
    await session.unpack(await session.withLibraries(PACKAGES), target);
  } catch (error) {
    throw new Error(
      `Chromium cannot be had here: ${String(error)} ${failure ?? ''}; install it, or name one with MILLRACE_CHROMIUM`,
    );
  }
}

const guessTriplet = (): string => (process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu');

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
