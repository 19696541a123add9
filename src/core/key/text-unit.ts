const charCodeAt = String.prototype.charCodeAt;

/**
 * `text.charCodeAt(i)`, for loops over texts of many kinds: the engine holds constants, slices, sums and parsed texts in
 * different ways, and looks the method up anew for each character once it has met more than four of them, at four times
 * the cost.
 */
export function unitAt(text: string, i: number): number {
  return charCodeAt.call(text, i);
}
