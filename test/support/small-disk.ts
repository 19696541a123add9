/**
 * A file system of a few megabytes for a server's data, which a test fills and frees. Mounting needs the right to mount:
 * root, or a user namespace of one's own (`unshare -rm npx vitest run …`). Where there is none the test fails and says so.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';

const PIECE = Buffer.alloc(64 * 1024, 1);

export class SmallDisk {
  readonly #dir: string;
  readonly #ballast: string;
  readonly #unmountAtExit = (): void => this.unmount();
  #isMounted = true;

  private constructor(dir: string) {
    this.#dir = dir;
    this.#ballast = join(dir, 'ballast');
    process.once('exit', this.#unmountAtExit);
  }

  /** Makes `dir` a file system of its own; `megabytes` is all that fits in. */
  static mount(dir: string, megabytes: number): SmallDisk {
    mkdirSync(dir, { recursive: true });
    const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', dir]);
    if (status !== 0)
      throw new Error(
        `a small file system cannot be mounted (${error?.message ?? stderr.toString().trim()}): run this test as root, or under \`unshare -rm\``,
      );
    return new SmallDisk(dir);
  }

  /** Takes all room that is left. */
  async fill(): Promise<void> {
    const file = await open(this.#ballast, 'a');
    try {
      for (let size = PIECE.length; size >= 1; ) {
        try {
          const { bytesWritten } = await file.write(PIECE, 0, size);
          if (bytesWritten < size) size = Math.floor(size / 2);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          size = Math.floor(size / 2);
        }
      }
    } finally {
      await file.close();
    }
  }

  /** Gives the room back that `fill` took. */
  async free(): Promise<void> {
    await rm(this.#ballast);
  }

  /** Bytes that still fit in. */
  async room(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#dir);
    return bavail * bsize;
  }

  unmount(): void {
    if (!this.#isMounted) return;
    this.#isMounted = false;
    process.off('exit', this.#unmountAtExit);
    spawnSync('umount', ['-l', this.#dir]);
  }
}
