/**
 * MurmurHash3 x86_128 over bytes, written from the description of the algorithm and held to the verification value
 * that its author publishes, so that the fast one in src/core can be compared with it.
 */

const M = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93] as const;
const BLOCK_ROTATIONS = [15, 16, 17, 18] as const;
const STATE_ROTATIONS = [19, 17, 15, 13] as const;
const ADDENDS = [0x561ccd1b, 0x0bcaa747, 0x96cd1c35, 0x32ac3b17] as const;

const u32 = (x: number): number => x >>> 0;
const times = (a: number, b: number): number => u32(Math.imul(a, b));
const rotate = (x: number, by: number): number => u32((x << by) | (x >>> (32 - by)));

function scramble(k: number, lane: number): number {
  return times(rotate(times(k, M[lane]!), BLOCK_ROTATIONS[lane]!), M[(lane + 1) % 4]!);
}

function finish(h: number): number {
  const a = times(u32(h ^ (h >>> 16)), 0x85ebca6b);
  const b = times(u32(a ^ (a >>> 13)), 0xc2b2ae35);
  return u32(b ^ (b >>> 16));
}

/** The 16 bytes of the hash, four little-endian words. */
export function murmur3x86Of128(bytes: Uint8Array, seed: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const h = [u32(seed), u32(seed), u32(seed), u32(seed)];
  const whole = bytes.length - (bytes.length % 16);
  for (let block = 0; block < whole; block += 16) {
    for (let lane = 0; lane < 4; lane++) {
      const mixed = u32(h[lane]! ^ scramble(view.getUint32(block + lane * 4, true), lane));
      h[lane] = u32(times(u32(rotate(mixed, STATE_ROTATIONS[lane]!) + h[(lane + 1) % 4]!), 5) + ADDENDS[lane]!);
    }
  }
  // What is left fills the lanes from the first on; a lane without a byte stays out.
  for (let lane = 3; lane >= 0; lane--) {
    let k = 0;
    for (let i = 3; i >= 0; i--) k = u32((k << 8) | (bytes[whole + lane * 4 + i] ?? 0));
    if (bytes.length > whole + lane * 4) h[lane] = u32(h[lane]! ^ scramble(k, lane));
  }
  const gather = (): void => {
    h[0] = u32(h[0]! + h[1]! + h[2]! + h[3]!);
    for (let lane = 1; lane < 4; lane++) h[lane] = u32(h[lane]! + h[0]!);
  };
  for (let lane = 0; lane < 4; lane++) h[lane] = u32(h[lane]! ^ bytes.length);
  gather();
  for (let lane = 0; lane < 4; lane++) h[lane] = finish(h[lane]!);
  gather();
  const out = new DataView(new ArrayBuffer(16));
  h.forEach((value, lane) => {
    out.setUint32(lane * 4, value, true);
  });
  return new Uint8Array(out.buffer);
}
