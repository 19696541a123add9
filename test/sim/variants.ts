/** What an event may say: as it was published, or as an operator has written it. */
import type { RejectCode } from '../../src/core/event/reject.js';
import { refusalOf } from './history-handler.js';
import type { Entry } from './ledger.js';
import type { World } from './world.js';

/** One body of an event. */
export interface Variant {
  readonly n: number;
  readonly id: string;
  readonly code: RejectCode | undefined;
  readonly body: Uint8Array;
}

const encoder = new TextEncoder();

export function variantsOf({ plan, operator }: World, entry: Entry): readonly Variant[] {
  const { n, body } = entry.publish;
  const published = { n, id: entry.id, code: entry.code ?? entry.refusal, body };
  const edits = plan.poisonPolicy === 'quarantine' ? operator.editsOf(entry.key) : [];
  if (edits.length === 0) return [published];
  const edited = edits.map(({ n, id, deed, body }) => ({ n, id, code: refusalOf(deed), body: encoder.encode(body) }));
  return [published, ...edited];
}
