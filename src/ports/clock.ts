/** Time as the runtime and the host need it, so that tests and the simulator can hold it in their hands. */
export interface Clock {
  /** Wall clock, epoch ms. For people and for measuring ages; decides nothing that is stored. */
  now(): number;
  /** Monotonic, ms. */
  elapsed(): number;
  /** Calls back once after `ms`; the returned function cancels. */
  after(ms: number, callback: () => void): () => void;
}
