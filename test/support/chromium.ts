/**
 * A headless Chromium for tests of the dashboard: the machine's own, or the distribution's package, which is installed
 * where that is allowed and unpacked into Millrace's cache where it is not. A machine that can have none fails the test.
 */
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { libraryDirs } from '../../src/services/find-binary.js';
import { runCommand } from '../../src/services/run-command.js';
import { unpackedPackages } from './unpacked-packages.js';

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
  const program = 'usr/lib/chromium/chromium';
  const root = await unpackedPackages('chromium', PACKAGES, (dir) => exists(join(dir, program)));
  return {
    path: join(root, program),
    env: {
      LD_LIBRARY_PATH: (await libraryDirs(root)).join(delimiter),
      FONTCONFIG_PATH: join(root, 'etc/fonts'),
      XDG_DATA_HOME: join(root, 'usr/share'),
    },
  };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
