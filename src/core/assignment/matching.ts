/**
 * The assignment problem: rows get different columns so that the sum of the costs is the least there is.
 *
 * The Hungarian method with potentials, one row after the other, O(n³). Exact for whole costs below 2^53 together;
 * the same costs give the same answer everywhere.
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
  const columns = new Array<number>(size).fill(0);
  for (let j = 1; j <= size; j++) columns[rowOf[j]! - 1] = j - 1;
  return columns;
}
