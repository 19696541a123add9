/**
 * The assignment problem: rows get different columns so that the sum of the costs is the least there is.
 *
 * The Hungarian method with potentials, one row after the other, O(n³). Exact for whole costs below 2^53 together.
 * Where several answers are the cheapest it is the first of them: the lowest column that the first row can have, then
 * the second row, and so on. So the answer stays what it is while others become dearer.
 */

/** Column of each row; `cost` is a square of whole numbers. */
export function cheapestMatching(cost: readonly (readonly number[])[]): number[] {
  const size = cost.length;
  // Index 0 stands for "none"; rows and columns count from 1.
  const rowPotential = new Array<number>(size + 1).fill(0);
  const columnPotential = new Array<number>(size + 1).fill(0);
  const rowOf = new Array<number>(size + 1).fill(0);
  for (let row = 1; row <= size; row++) {
    const cameFrom = new Array<number>(size + 1).fill(0);
    const slack = new Array<number>(size + 1).fill(Number.POSITIVE_INFINITY);
    const isDone = new Array<boolean>(size + 1).fill(false);
    let column = 0;
    rowOf[0] = row;
    // The cheapest way to a column that is still free, over columns that would have to give way.
    do {
      isDone[column] = true;
      let best = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let j = 1; j <= size; j++) {
        if (isDone[j]) continue;
        const owner = rowOf[column]!;
        const reduced = cost[owner - 1]![j - 1]! - rowPotential[owner]! - columnPotential[j]!;
        if (reduced < slack[j]!) {
          slack[j] = reduced;
          cameFrom[j] = column;
        }
        if (slack[j]! < best) {
          best = slack[j]!;
          next = j;
        }
      }
      for (let j = 0; j <= size; j++) {
        if (isDone[j]) {
          rowPotential[rowOf[j]!]! += best;
          columnPotential[j]! -= best;
        } else slack[j]! -= best;
      }
      column = next;
    } while (rowOf[column] !== 0);
    while (column !== 0) {
      const before = cameFrom[column]!;
      rowOf[column] = rowOf[before]!;
      column = before;
    }
  }
  // The cheapest answers are those of edges without slack.
  const isTight = (row: number, column: number): boolean =>
    cost[row - 1]![column - 1] === rowPotential[row]! + columnPotential[column]!;
  return firstMatching(rowOf, isTight).map((column) => column - 1);
}

/** Column of each row, of the first matching over tight edges; `rowOf` is any one of them. */
function firstMatching(rowOf: number[], isTight: (row: number, column: number) => boolean): number[] {
  const size = rowOf.length - 1;
  const columnOf = new Array<number>(size + 1).fill(0);
  for (let column = 1; column <= size; column++) columnOf[rowOf[column]!] = column;
  /** Gives `row` the column that is free, others giving way; rows up to `fixed` keep theirs. False if that cannot be. */
  const place = (row: number, free: number, fixed: number, seen: Set<number>): boolean => {
    for (let column = 1; column <= size; column++) {
      if (seen.has(column) || !isTight(row, column)) continue;
      const holder = rowOf[column]!;
      if (column !== free && holder <= fixed) continue;
      seen.add(column);
      if (column !== free && !place(holder, free, fixed, seen)) continue;
      rowOf[column] = row;
      columnOf[row] = column;
      return true;
    }
    return false;
  };
  for (let row = 1; row <= size; row++) {
    const own = columnOf[row]!;
    for (let column = 1; column < own; column++) {
      const holder = rowOf[column]!;
      if (holder < row || !isTight(row, column)) continue;
      if (!place(holder, own, row, new Set([column]))) continue;
      rowOf[column] = row;
      columnOf[row] = column;
      break;
    }
  }
  return columnOf.slice(1);
}
