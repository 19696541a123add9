/**
 * What a partition knows of an event id, as a person reads it. Nothing here decides anything; it only puts into words.
 *
 * What can be known: the decision, for as long as the id is within the dedupe horizon; the reason of a dead letter, for
 * as long as it is stored; other reasons and the repeats that were dropped, for as long as this process remembers them.
 */
import type { Explanation } from '../core/actor/actor.js';
import type { DecisionNote } from '../core/actor/decision-log.js';
import { type DeadLetter, parseDeadLetter } from '../core/checkpoint/commit.js';
import { Decision, type Seen } from '../core/dedupe/dedupe-index.js';
import type { CheckpointStore } from '../ports/checkpoint-store.js';

export type DecisionWord = keyof typeof Decision;

/** What was decided about one event, or why it is not decided yet. */
export interface EventDecision {
  readonly partition: number;
  readonly decision: DecisionWord;
  /** Stream sequence. */
  readonly sequence: number;
  /** Event time, epoch ms; null where only the decision is remembered. */
  readonly time: number | null;
  /** The decision and its reason in a sentence. */
  readonly summary: string;
  /** What an event that is not decided waits for. */
  readonly waits: readonly string[];
  readonly notes: readonly EventNote[];
}

/** Something that happened to an event or to a repeat of it. */
export interface EventNote {
  readonly sequence: number;
  readonly key: string;
  readonly decision: DecisionNote['decision'];
  readonly detail: string;
}

const words = Object.fromEntries(Object.entries(Decision).map(([word, number]) => [number, word])) as Readonly<
  Record<Decision, DecisionWord>
>;

/** `decision` of an event that only a note remembers. */
const wordOfNote: Readonly<Record<DecisionNote['decision'], DecisionWord>> = {
  duplicate: 'skipped',
  late: 'late',
  dead: 'dead',
  parked: 'parked',
};

/**
 * The decisions about one id in one partition, by stream sequence. `fault` is why the partition has stopped, if it has;
 * `letters` says why stored dead letters are dead. With a key, what is said of other keys is left out.
 */
export async function decisionsOf(
  partition: number,
  explanation: Explanation,
  { key, fault, store }: { key: string | undefined; fault: string | undefined; store: LetterStore },
): Promise<EventDecision[]> {
  const { seen, waits } = explanation;
  const left = new Set(explanation.notes.filter((note) => key === undefined || note.key === key));
  const decisions: EventDecision[] = [];
  for (const one of seen) {
    const decision = words[one.decision];
    const notes = [...left].filter((note) => isAbout(note, one));
    for (const note of notes) left.delete(note);
    const isOpen = decision === 'waiting' || decision === 'parked';
    const known = { decision, sequence: one.streamSequence, waits: isOpen ? waits : [], notes };
    const letter = decision === 'dead' ? await letterAt(store, partition, known.sequence) : undefined;
    decisions.push(entry(partition, known, one.time, sentence(known, fault, letter)));
  }
  for (const note of left) {
    const known = { decision: wordOfNote[note.decision], sequence: note.streamSequence, waits: [], notes: [note] };
    decisions.push(entry(partition, known, null, sentence(known, fault, undefined)));
  }
  return decisions.sort((a, b) => a.sequence - b.sequence);
}

/** What is known before it is put into words. */
interface Known {
  readonly decision: DecisionWord;
  readonly sequence: number;
  readonly waits: readonly string[];
  readonly notes: readonly DecisionNote[];
}

type LetterStore = Pick<CheckpointStore, 'deadLetters'>;

function entry(partition: number, known: Known, time: number | null, summary: string): EventDecision {
  const { decision, sequence, waits } = known;
  const notes = known.notes.map((note) => ({
    sequence: note.streamSequence,
    key: note.key,
    decision: note.decision,
    detail: note.detail,
  }));
  return { partition, decision, sequence, time, summary, waits, notes };
}

/** Of this very event, or of a repeat that names it. */
function isAbout({ streamSequence, decision, detail }: DecisionNote, seen: Seen): boolean {
  if (streamSequence === seen.streamSequence) return true;
  return decision === 'duplicate' && detail.startsWith(`repeats event ${seen.streamSequence} `);
}

function sentence(known: Known, fault: string | undefined, letter: DeadLetter | 'gone' | undefined): string {
  const { decision, sequence, waits, notes } = known;
  const own = notes.filter((note) => note.streamSequence === sequence);
  const repeats = notes.length - own.length;
  const said = (kind: DecisionNote['decision']): string | undefined =>
    own.findLast((note) => note.decision === kind)?.detail;
  const dropped = repeats === 0 ? '' : `; ${repeats} recent ${repeats === 1 ? 'repeat' : 'repeats'} dropped`;
  switch (decision) {
    case 'applied':
      return `applied at sequence ${sequence}${dropped}`;
    case 'late':
      return `late at sequence ${sequence}, dropped: ${said('late') ?? 'a newer event of its key was applied before'}${dropped}`;
    case 'dead':
      return `dead letter at sequence ${sequence}: ${deathOf(said('dead'), letter)}${dropped}`;
    case 'skipped':
      return `dropped at sequence ${sequence}: ${said('duplicate') ?? 'its number was there before'}${dropped}`;
    case 'parked':
    case 'waiting': {
      const reason = waits.length > 0 ? waits.join('; ') : (said('parked') ?? fault ?? 'about to be decided');
      return `${decision === 'parked' ? 'parked' : 'waits'} at sequence ${sequence}: ${reason}${dropped}`;
    }
  }
}

/** The stored letter says it for good; a note also says it before the letter is stored. */
function deathOf(noted: string | undefined, letter: DeadLetter | 'gone' | undefined): string {
  if (typeof letter === 'object') return `${letter.code}: ${letter.problems.join('; ')}`;
  const reason = noted ?? 'the reason is no longer known';
  return letter === 'gone' ? `${reason}; the letter is not stored: it is too new, or was dealt with` : reason;
}

async function letterAt(
  store: LetterStore,
  partition: number,
  sequence: number,
): Promise<DeadLetter | 'gone' | undefined> {
  try {
    const [text] = await store.deadLetters(partition, sequence - 1, 1);
    const letter = text === undefined ? undefined : parseDeadLetter(text);
    return letter?.sequence === sequence ? letter : 'gone';
  } catch {
    return undefined; // the decision itself is known without the store
  }
}
