/** The commit guard, as a table of every case (invariants G1 to G3 of src/core/checkpoint/guard.ts). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GuardedRecord } from '../../src/core/checkpoint/guard.js';
import { judgeClaim, judgeCommit, ownerText } from '../../src/core/checkpoint/guard.js';
import { runs } from '../property/runs.js';

const A = ownerText({ epoch: 3, nonce: 'aa' });
const B = ownerText({ epoch: 4, nonce: 'bb' });
const record = (owner: string, number: number): GuardedRecord => ({ owner, number });

describe('judgeCommit', () => {
  it.each([
    ['the next number of the owner', record(A, 7), A, 8, 'accept'],
    ['G3: the same commit again', record(A, 8), A, 8, 'already'],
    ['G1: a lower number, after the store went back', record(A, 6), A, 8, 'fenced'],
    ['G1: a number already passed', record(A, 9), A, 8, 'fenced'],
    ['another owner', record(B, 7), A, 8, 'fenced'],
    ['another owner with the same number', record(B, 8), A, 8, 'fenced'],
    ['no record at all', undefined, A, 8, 'fenced'],
    ['no record at all, first commit', undefined, A, 1, 'fenced'],
  ] as const)('%s', (_, stored, owner, number, verdict) => {
    expect(judgeCommit(stored, owner, number)).toBe(verdict);
  });

  it('G1: the same epoch with another nonce is another owner, and a lower epoch is not weaker', () => {
    const twin = ownerText({ epoch: 3, nonce: 'cc' });
    expect(judgeCommit(record(twin, 7), A, 8)).toBe('fenced');
    expect(judgeCommit(record(A, 7), twin, 8)).toBe('fenced');
    expect(judgeCommit(record(A, 7), B, 8)).toBe('fenced');
    expect(judgeCommit(record(B, 7), A, 8)).toBe('fenced');
  });

  it('G1: accepts exactly one number of exactly one owner', () => {
    const owners = fc.constantFrom(A, B, '3:cc', '33:aa');
    fc.assert(
      fc.property(owners, fc.nat(20), owners, fc.nat(20), (storedOwner, storedNumber, owner, number) => {
        const verdict = judgeCommit(record(storedOwner, storedNumber), owner, number);
        const expected =
          storedOwner !== owner
            ? 'fenced'
            : number === storedNumber + 1
              ? 'accept'
              : number === storedNumber
                ? 'already'
                : 'fenced';
        expect(verdict).toBe(expected);
      }),
      runs(500),
    );
  });
});

describe('judgeClaim', () => {
  it.each([
    ['nothing was there, nothing is', undefined, undefined, 'accept'],
    ['what was seen is still there', record(A, 7), record(A, 7), 'accept'],
    ['G3: the claim is sent again', record(B, 7), record(A, 7), 'already'],
    ['the owner went on meanwhile', record(A, 8), record(A, 7), 'fenced'],
    ['the store went back meanwhile', record(A, 6), record(A, 7), 'fenced'],
    ['somebody else claimed meanwhile', record('9:cc', 7), record(A, 7), 'fenced'],
    ['the record was made meanwhile', record(A, 0), undefined, 'fenced'],
    ['the record went away meanwhile', undefined, record(A, 7), 'fenced'],
  ] as const)('%s', (_, stored, seen, verdict) => {
    expect(judgeClaim(stored, seen, B)).toBe(verdict);
  });

  it('ownerText tells epoch and nonce apart', () => {
    expect(ownerText({ epoch: 12, nonce: '3f' })).toBe('12:3f');
    expect(ownerText({ epoch: 1, nonce: '23f' })).not.toBe(ownerText({ epoch: 12, nonce: '3f' }));
  });
});
