/** Subjects in the options: which patterns are valid, which tokens they cover, and where publishing goes. */
import type { Place } from '../core/event/event-format.js';
import type { Kind } from './kind.js';
import { accept, refuse } from './kind.js';

const KEY = '{key}';

/** What is wrong with `pattern` as a subject with wildcards, as a phrase, or undefined. */
function problemOfPattern(pattern: string): string | undefined {
  // A line break in a subject would inject lines into the NATS protocol.
  if (/[\s\0-\x1f\x7f]/.test(pattern)) return 'contains white space or a control character';
  const tokens = pattern.split('.');
  if (tokens.includes('')) return 'has an empty token';
  if (tokens.some((token) => token.length > 1 && /[*>]/.test(token))) return 'has a wildcard inside a token';
  return tokens.slice(0, -1).includes('>') ? 'has > before its end' : undefined;
}

/** The subjects of a stream, as a list or as text with commas between. */
export const subjectList: Kind<string | readonly string[], readonly string[]> = {
  suffix: '',
  placeholder: 'list',
  allowed: 'list of subjects; wildcards `*` and, at the end, `>`',
  schema: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, minItems: 1, uniqueItems: true }] },
  read(raw) {
    const list = typeof raw === 'string' ? raw.split(',').map((part) => part.trim()) : raw;
    if (!Array.isArray(list) || list.length === 0 || list.some((part) => typeof part !== 'string'))
      return refuse('must be a list of subjects such as events.*');
    const subjects = list as string[];
    if (new Set(subjects).size < subjects.length) return refuse('must not name a subject twice');
    for (const subject of subjects) {
      const problem = problemOfPattern(subject);
      if (problem !== undefined) return refuse(`must be a list of subjects: ${JSON.stringify(subject)} ${problem}`);
    }
    return accept(Object.freeze([...subjects]));
  },
  print: (value) => value.join(','),
};

/** The subject that events are published to, with `{key}` where the key goes. */
export const subjectTemplate: Kind<string, string> = {
  suffix: '',
  placeholder: 'subject',
  allowed: 'subject with `{key}` in it once',
  schema: { type: 'string', pattern: '\\{key\\}' },
  read(raw) {
    if (typeof raw !== 'string' || raw.split(KEY).length !== 2)
      return refuse(`must be a subject with ${KEY} in it once, such as events.${KEY}`);
    const problem = problemOfPattern(raw);
    if (problem !== undefined) return refuse(`must be a subject, but it ${problem}`);
    return /[*>]/.test(raw) ? refuse('must be a subject without wildcards: events go to one subject') : accept(raw);
  },
  print: (value) => value,
};

/** Where a pattern keeps token `index` (from 1 on): a wildcard, a fixed word, or nowhere. */
export function tokenAt(pattern: string, index: number): 'wildcard' | 'missing' | { readonly word: string } {
  const tokens = pattern.split('.');
  const token = tokens[index - 1];
  if (token === '*' || token === '>') return 'wildcard';
  if (token !== undefined) return { word: token };
  return tokens.at(-1) === '>' ? 'wildcard' : 'missing';
}

/** True if every subject that the template makes is one of the pattern's. */
export function covers(pattern: string, template: string): boolean {
  const tokens = template.split('.');
  const wanted = pattern.split('.');
  if (wanted.at(-1) === '>' ? tokens.length < wanted.length : tokens.length !== wanted.length) return false;
  return wanted.every((want, i) => want === '*' || want === '>' || want === tokens[i]);
}

/**
 * The template that follows from the stream's subjects: the first pattern whose only wildcard is where the key is.
 * Without such a pattern it is `events.{key}`; the server then refuses the publishing, not the reading.
 */
export function templateFor(subjects: readonly string[], key: Place): string {
  for (const subject of subjects) {
    const tokens = subject.split('.');
    const wildcards = tokens.flatMap((token, i) => (token === '*' || token === '>' ? [i] : []));
    if (wildcards.length !== 1 || (key.kind === 'token' && key.index - 1 !== wildcards[0])) continue;
    return tokens.with(wildcards[0]!, KEY).join('.');
  }
  return `events.${KEY}`;
}
