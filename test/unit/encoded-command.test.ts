/** The bytes of a command: what Redis reads must be the arguments, whatever is in them. */
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encode } from '../../src/adapters/redis/encoded-command.js';
import { runs } from '../property/runs.js';

/** Reads an array of bulk strings and expects nothing after it. */
function decoded(bytes: Buffer): Buffer[] {
  let at = 0;
  const number = (mark: string): number => {
    const end = bytes.indexOf('\r\n', at);
    const line = bytes.toString('latin1', at, end);
    expect(line[0]).toBe(mark);
    at = end + 2;
    return Number(line.slice(1));
  };
  const args = Array.from({ length: number('*') }, () => {
    const length = number('$');
    const arg = bytes.subarray(at, at + length);
    at += length + 2;
    expect(bytes.toString('latin1', at - 2, at)).toBe('\r\n');
    return arg;
  });
  expect(at).toBe(bytes.length);
  return args;
}

it('gives every argument back byte for byte', () => {
  const arg = fc.oneof(
    fc.string({ unit: 'binary-ascii', maxLength: 40, size: 'max' }),
    fc.string({ unit: 'binary', maxLength: 40, size: 'max' }),
    fc.constantFrom('', 'é', '\ud800', '{"state":{"name":"日本"}}'),
    fc.uint8Array({ maxLength: 60, size: 'max' }).map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(fc.array(arg, { maxLength: 12, size: 'max' }), (args) => {
      expect(decoded(encode(args))).toEqual(args.map((one) => Buffer.from(one as string)));
    }),
    runs(300),
  );
});
