/**
 * Ascending, disjoint, inclusive ranges of stream sequences and their text form.
 *
 * The text is relative and short, because it is written with every checkpoint: `3+2,10+1` after a floor of 100
 * means 103 to 104 and 110 to 110. Each start is relative to the floor, each length is a count.
 */

/** `[first, last, first, last, …]`, ascending, disjoint. */
export type Ranges = readonly number[];

export function encodeRanges(ranges: Ranges, floor: number): string {
  let text = '';
  for (let i = 0; i < ranges.length; i += 2) {
    if (i > 0) text += ',';
    text += `${ranges[i]! - floor}+${ranges[i + 1]! - ranges[i]! + 1}`;
  }
  return text;
}

/** Reads what `encodeRanges` wrote; undefined if the text is anything else. */
export function decodeRanges(text: string, floor: number): number[] | undefined {
  const ranges: number[] = [];
  if (text === '') return ranges;
  let last = floor;
  for (const part of text.split(',')) {
    const match = /^([1-9]\d*)\+([1-9]\d*)$/.exec(part);
    if (match === null) return undefined;
    const first = floor + Number(match[1]);
    if (first <= last) return undefined;
    last = first + Number(match[2]) - 1;
    if (!Number.isSafeInteger(last)) return undefined;
    ranges.push(first, last);
  }
  return ranges;
}

/** The ranges with `first` to `last` added: ascending and disjoint again, whatever was there already. */
export function withRange(ranges: Ranges, first: number, last: number): number[] {
  const before: number[] = [];
  const after: number[] = [];
  let [low, high] = [first, last];
  for (let i = 0; i < ranges.length; i += 2) {
    const [from, to] = [ranges[i]!, ranges[i + 1]!];
    if (to < first - 1) before.push(from, to);
    else if (from > last + 1) after.push(from, to);
    else [low, high] = [Math.min(low, from), Math.max(high, to)];
  }
  return [...before, low, high, ...after];
}

/** Whether `sequence` lies in one of the ranges. */
export function rangesHave(ranges: Ranges, sequence: number): boolean {
  let low = 0;
  let high = ranges.length / 2 - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (sequence < ranges[middle * 2]!) high = middle - 1;
    else if (sequence > ranges[middle * 2 + 1]!) low = middle + 1;
    else return true;
  }
  return false;
}
