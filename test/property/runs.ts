/** How long a property is tried. */

/** Parameters for `fc.assert`: this many cases, and an end to shrinking where a failure is slow to shrink. */
export const runs = (numRuns: number) => ({ numRuns, interruptAfterTimeLimit: 20_000 });
