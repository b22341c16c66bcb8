import type { Spread } from '../load/load-figures.js';
import type { Measured } from '../support/report.js';

export const SYSTEMS = ['naive', 'resident', 'raw', 'llama'] as const;
export type SystemName = (typeof SYSTEMS)[number];

export const WORKLOADS = ['short', 'long', 'mixed'] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

/** One system, one cell, one round. Times are in milliseconds. */
export interface Sample {
  readonly tokens: number;
  readonly elapsed: number;
  readonly tokensPerSecond: number;
  /** Only of what runs without a server. */
  readonly decodeTokensPerSecond?: number;
  /** The rest only of servers. Time to first token: */
  readonly ttft?: Spread;
  readonly interToken?: Spread;
  readonly health?: Spread;
  /** How late the probes left: part of their latency, but not the server's. */
  readonly probeLateness?: Spread;
  /** Of each request in order: a hash of its text. */
  readonly texts?: readonly string[];
}

/** What was measured under one load. */
export interface CellResult {
  readonly workload: WorkloadName;
  /** Undefined where requests arrive over time. */
  readonly concurrency?: number;
  /** Of each system that ran: its rounds. */
  readonly samples: Readonly<Partial<Record<SystemName, readonly Sample[]>>>;
}

/** What was measured with one model. */
export interface SubjectResult {
  readonly name: string;
  readonly title: string;
  /** Of weights: `q8`, `i8`, `tales`. */
  readonly kind: string;
  readonly cells: readonly CellResult[];
  /** Of each system that ran: resident memory of its processes after everything, in bytes. */
  readonly memory: Readonly<Partial<Record<SystemName, number>>>;
  /** Why a system that was asked for did not run. */
  readonly absent: Readonly<Partial<Record<SystemName, string>>>;
  /** Share of all cores' time that something took while no system worked, 0 to 1. */
  readonly machineBusyIdle: number;
}

/** One run of the benchmark, as it is kept. */
export interface ThroughputResult {
  readonly measured: Measured;
  readonly command: string;
  readonly rounds: number;
  readonly newTokens: number;
  readonly mixed: MixedTrace;
  readonly subjects: readonly SubjectResult[];
}

/** Requests that arrive at random. */
export interface MixedTrace {
  readonly requests: number;
  readonly perSecond: number;
  readonly promptTokens: readonly [number, number];
  readonly newTokens: readonly [number, number];
}
