/** Errors as a person or a program reads them: code, what happened, every problem, what to do next. */
import { codeOf, errorTable, MillraceError, messageOf } from '../errors.js';

/** The error as text, several lines without a break at the end. */
export function errorText(error: unknown): string {
  const { code, message, problems, next } = described(error);
  const lines = [`${code}: ${headOf(message, problems)}`, ...problems.map((problem) => `  - ${problem}`)];
  // Nobody foresaw it, so the place where it happened is what a report needs.
  if (code === 'BUG' && error instanceof Error && error.stack !== undefined) lines.push(error.stack);
  return [...lines, `  → ${next}`].join('\n');
}

/** The error as one line of JSON: `{"error":{"code","message","problems","next"}}`. */
export function errorJson(error: unknown): string {
  return JSON.stringify({ error: described(error) });
}

function described(error: unknown) {
  const code = codeOf(error);
  const problems = error instanceof MillraceError ? error.problems : [];
  return { code, message: messageOf(error), problems, next: errorTable[code].next };
}

/** The message without the problems where it repeats them, since each gets a line of its own. */
function headOf(message: string, problems: readonly string[]): string {
  const at = problems.length === 0 ? -1 : message.indexOf(problems[0]!);
  if (at <= 0 || !problems.every((problem) => message.includes(problem))) return message;
  return message.slice(0, at).replace(/[\s:;]+$/, '');
}
