/**
 * Header blocks as NATS carries them: `NATS/1.0` or nothing, then `Name: value` lines with CR LF.
 * Look-up is by name without regard to case; publishers in different languages write `Nats-Msg-Id` differently.
 */

const LINE_BREAK = /[\r\n]/;

/** A block of these headers, or undefined where a line break in one of them would begin another. */
export function headerBlock(headers: readonly (readonly [name: string, value: string])[]): string | undefined {
  if (headers.some((header) => header.some((text) => LINE_BREAK.test(text)))) return undefined;
  return `NATS/1.0\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

/**
 * Value of the first header with this lower-case name, without the blanks and tabs around it, or undefined.
 * Other white space is part of the value: an id that begins with it must be refused, not repaired.
 */
export function headerOf(block: string | undefined, lowerName: string): string | undefined {
  if (block === undefined) return undefined;
  for (let from = 0; from < block.length; ) {
    const end = block.indexOf('\n', from);
    const stop = end < 0 ? block.length : end;
    const colon = from + lowerName.length;
    if (colon < stop && block[colon] === ':' && block.slice(from, colon).toLowerCase() === lowerName)
      return withoutBlanks(block, colon + 1, stop);
    from = stop + 1;
  }
  return undefined;
}

function withoutBlanks(block: string, from: number, to: number): string {
  let first = from;
  let end = to;
  while (first < end && isBlank(block.charCodeAt(first))) first++;
  while (end > first && isBlank(block.charCodeAt(end - 1))) end--;
  return block.slice(first, end);
}

/** Blank, tab, and the CR before the LF. */
const isBlank = (unit: number): boolean => unit === 0x20 || unit === 0x09 || unit === 0x0d;

/** Whether the block carries CloudEvents attributes or says that the body does. */
export function mentionsCloudEvents(block: string): boolean {
  return /^(?:ce-specversion|content-type):/im.test(block);
}
