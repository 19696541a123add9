/** Nodes of different versions in one cluster: whoever comes must not begin to write what a member could not read. */
import { RECORD_FORMAT } from '../core/checkpoint/record.js';
import type { Member } from '../ports/membership.js';

/** Why this version may not join these members, or undefined. */
export function problemOfFormats(members: Iterable<Member>): string | undefined {
  for (const { name, reads } of members) {
    const [oldest, newest] = reads;
    if (RECORD_FORMAT < oldest || RECORD_FORMAT > newest)
      return `node ${name} reads checkpoint formats ${oldest} to ${newest}, this version writes ${RECORD_FORMAT}`;
  }
  return undefined;
}
