/**
 * Who is to own what: the same answer on every node that knows the same members and owners.
 *
 * Invariants
 * S1. Every partition has exactly one member; each member has one contiguous range; sizes differ by one at most.
 * S2. As few partitions move as ranges of these sizes allow: the ranges are dealt out so that what members own already
 *     stays with them, as much as possible together.
 * S3. Whatever happens on the way changes nothing: while partitions are released and claimed as assigned, the
 *     assignment stays what it is. A step towards it adds to its own count of kept partitions at least as much as to
 *     any other's.
 */
import { cheapestMatching } from './matching.js';
import { rangeOf } from './ranges.js';

/**
 * The member of each partition. `owners` names who owns each partition now, undefined where nobody does; owners that
 * are no members count for nothing. Throws RangeError without a member.
 */
export function assign(
  members: readonly string[],
  partitions: number,
  owners: readonly (string | undefined)[],
): string[] {
  const names = [...new Set(members)].sort(naturally);
  const count = names.length;
  if (count === 0) throw new RangeError('nobody to assign partitions to');
  const rowOf = new Map(names.map((name, row) => [name, row] as const));
  // A kept partition outweighs everything that makes the answer pretty.
  const weight = count ** 3 + 1;
  const cost = names.map((_, row) => names.map((_, column) => (row - column) ** 2));
  const columnOf = new Array<number>(partitions).fill(0);
  for (let column = 0; column < count; column++) {
    const { from, to } = rangeOf(column, count, partitions);
    columnOf.fill(column, from, to);
  }
  for (let partition = 0; partition < partitions; partition++) {
    const owner = owners[partition];
    const row = owner === undefined ? undefined : rowOf.get(owner);
    if (row !== undefined) cost[row]![columnOf[partition]!]! -= weight;
  }
  const nameOf = new Array<string>(count);
  for (const [row, column] of cheapestMatching(cost).entries()) nameOf[column] = names[row]!;
  return columnOf.map((column) => nameOf[column]!);
}

/** `node-2` before `node-10`: by what stands before the last digits, then by their number. */
function naturally(a: string, b: string): number {
  const [headA, tailA] = split(a);
  const [headB, tailB] = split(b);
  return compare(headA, headB) || compare(tailA, tailB) || compare(a, b);
}

function compare<T extends string | number>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function split(name: string): [head: string, tail: number] {
  const digits = /\d{1,15}$/.exec(name)?.[0] ?? '';
  return [name.slice(0, name.length - digits.length), digits === '' ? -1 : Number(digits)];
}
