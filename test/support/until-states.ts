import { until } from './until.js';

/** Waits until the node at `url` answers for every key with the state that is written for it. */
export async function untilStates(url: string, states: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [key, state] of Object.entries(states)) {
    const text = JSON.stringify(state);
    const isThere = async (): Promise<boolean> => {
      const answer = (await (await fetch(`${url}/v1/state/${key}`)).json()) as { state?: unknown };
      return JSON.stringify(answer.state) === text;
    };
    await until(isThere, 30_000, `${key} is ${text}`);
  }
}
