/** Which known name a mistyped one was meant to be. */

/**
 * Fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
 *
 * Source: optimal string alignment distance (Boytsov, 2011).
 */
function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let old = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = old[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(changed, old[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, older[j - 2]! + 1);
      row.push(best);
    }
    older = old;
    old = row;
  }
  return old[b.length]!;
}

/** The nearest of `names`, if it is near enough to be meant. */
export function nearest(word: string, names: Iterable<string>): string | undefined {
  let found: string | undefined;
  let best = Math.max(2, Math.floor(word.length / 4)) + 1;
  for (const name of names) {
    const distance = distanceOf(word.toLowerCase(), name.toLowerCase());
    if (distance < best) [found, best] = [name, distance];
  }
  return found;
}

/** A name that only lacks or has another section is near too: `settle` and `stream.settle` mean `order.settle`. */
function distanceOf(word: string, name: string): number {
  if (Math.max(word.length, name.length) > 100) return Number.POSITIVE_INFINITY;
  const own = word.slice(word.lastIndexOf('.') + 1);
  const ownName = name.slice(name.lastIndexOf('.') + 1);
  return Math.min(editDistance(word, name), own.length > 2 ? editDistance(own, ownName) + 1 : Number.POSITIVE_INFINITY);
}

/** `; did you mean order.settle?`, or nothing. */
export function didYouMean(word: string, names: Iterable<string>): string {
  const name = nearest(word, names);
  return name === undefined ? '' : `; did you mean ${name}?`;
}
