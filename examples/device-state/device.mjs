// What a device last reported, and how far its counter has come; each device numbers its own reports.
import { defineActor } from 'millrace';

export const device = defineActor({
  name: 'device',
  initial: () => ({ reports: 0, on: false, energy: 0 }),
  apply: (state, event) => ({
    reports: state.reports + 1,
    on: event.data.on ?? state.on,
    energy: state.energy + (event.data.energy ?? 0),
  }),
});
