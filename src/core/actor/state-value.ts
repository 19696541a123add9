/**
 * States are plain JSON data, frozen. Frozen, because a handler that changes its input and then throws would
 * leave a half-applied event in memory that the next checkpoint makes durable; with frozen input the change
 * itself throws. Plain JSON, because anything else comes back different after a recovery.
 */

/** Deepest nesting of a state; also what ends the walk through a cycle. */
const LEVELS_MAX = 128;

/**
 * Freezes a state through and through. Returns the place and kind of what JSON cannot carry, or undefined.
 *
 * `known` is a value that passed here before; the parts that `value` shares with it, at the same places, are not
 * walked again. That something is frozen proves nothing: its owner may have frozen it, and only at the top.
 */
export function freezeState(value: unknown, name = 'state', known?: unknown): string | undefined {
  const problem = freeze(value, known, 0);
  return problem === undefined ? undefined : name + problem;
}

/** What is wrong, as the rest of a path and a phrase. */
function freeze(value: unknown, known: unknown, level: number): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : ` is ${value}`;
    case 'object':
      break;
    default:
      return ` is ${value === undefined ? 'undefined' : `a ${typeof value}`}`;
  }
  if (value === null || value === known) return undefined;
  if (level === LEVELS_MAX) return ` nests deeper than ${LEVELS_MAX} levels`;
  const old = (typeof known === 'object' && known !== null ? known : {}) as Readonly<Record<string, unknown>>;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = freeze(value[i], old[i], level + 1);
      if (problem !== undefined) return `[${i}]${problem}`;
    }
  } else {
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return ' is not a plain object';
    // Without a list of its names, which would be an object for each event; inherited ones are not part of the state.
    for (const field in value) {
      if (!Object.hasOwn(value, field)) continue;
      const part = (value as Readonly<Record<string, unknown>>)[field];
      if (part === undefined) continue; // JSON leaves it out, and reading it gives undefined either way
      const problem = freeze(part, old[field], level + 1);
      if (problem !== undefined) return `.${field}${problem}`;
    }
  }
  Object.freeze(value);
  return undefined;
}
