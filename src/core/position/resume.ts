/** Where a partition goes on after an operator has accepted that part of its stream is lost. */
import type { Position } from './position-window.js';

/** Everything undecided up to `floor` is given up: the position moves forward. */
export function skipTo(position: Position, floor: number): Position {
  if (floor <= position.floor) return position;
  const above: number[] = [];
  for (let i = 0; i < position.above.length; i += 2) {
    const last = position.above[i + 1]!;
    if (last > floor) above.push(Math.max(position.above[i]!, floor + 1), last);
  }
  return { floor, above };
}

/** Nothing after `last` is what was read: the position forgets it, so that what stands there now is read. */
export function cutBack(position: Position, last: number): Position {
  const above: number[] = [];
  for (let i = 0; i < position.above.length; i += 2) {
    const first = position.above[i]!;
    if (first <= last) above.push(first, Math.min(position.above[i + 1]!, last));
  }
  return { floor: Math.min(position.floor, last), above };
}
