import type { ChildServer } from '../support/child-server.js';
import { startNaive, startResidentWith } from '../support/servers.js';

/** From the most loads to the fewest assumptions. */
export const SYSTEM_NAMES = ['reload', 'singleton', 'resident'] as const;
export type SystemName = (typeof SYSTEM_NAMES)[number];

export interface SystemSpec {
  readonly label: string;
  readonly start: (folder: string) => Promise<ChildServer>;
  /** Requests of a round at a time one and four: enough for a median, few enough to wait for. */
  readonly requests: Readonly<Record<Concurrency, number>>;
}

/** Clients at a time, of which each waits for its answer. */
export const CONCURRENCIES = [1, 4] as const;
export type Concurrency = (typeof CONCURRENCIES)[number];

export const SYSTEMS: Readonly<Record<SystemName, SystemSpec>> = {
  reload: {
    label: 'reload per request',
    start: (folder) => startNaive(folder, { LOAD_EACH_REQUEST: '1' }),
    requests: { 1: 10, 4: 12 },
  },
  singleton: {
    label: 'module global',
    start: (folder) => startNaive(folder),
    requests: { 1: 40, 4: 80 },
  },
  resident: {
    label: 'Resident',
    start: (folder) => startResidentWith({ name: 'tales', folder }),
    requests: { 1: 40, 4: 80 },
  },
};
