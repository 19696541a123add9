/**
 * Who may try to own what. Ownership here is about liveness only: safety is the commit guard's.
 *
 * Contract
 * O1. Every `claim` of a partition gets an epoch higher than any before it, whatever crashed in between.
 * O2. `origin` survives the loss of the checkpoint store: it is the proof that a record must exist.
 * O3. `holder` names the newest claim: whoever is fenced learns from it whether somebody else took over, or
 *     whether the store went back in time and the partition is still its own.
 */

/** What a claim of a partition gets. */
export interface ClaimTicket {
  readonly epoch: number;
  /**
   * The first stored sequence of the stream when the partition's first record was written, or undefined while no
   * record was. Where it is known, a missing record is a lost one.
   */
  readonly origin: number | undefined;
}

/** The newest claim of a partition. */
export interface Holder {
  readonly epoch: number;
  /** Node name of the claimer. */
  readonly node: string;
}

export interface Coordinator {
  /** Claims a partition, whoever holds it. */
  claim(partition: number): Promise<ClaimTicket>;
  /** Undefined if the partition was never claimed. */
  holder(partition: number): Promise<Holder | undefined>;
  /** Notes that the partition's first record is stored. */
  establish(partition: number, origin: number): Promise<void>;
  close(): Promise<void>;
}
