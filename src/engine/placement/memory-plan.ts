import { formatBytes } from './bytes.js';

/** What a model takes on a device, in bytes. */
export interface MemoryDemand {
  readonly weightsBytes: number;
  /** Of the largest step, with a KV cache of so many bytes: a longer past takes more. Grows with it. */
  readonly activationBytes: (kvCacheBytes: number) => number;
  readonly kvCache: {
    readonly wanted: number;
    /** Not to be cut below. */
    readonly least: number;
  };
}

/** What may be taken, in bytes. */
export interface MemorySupply {
  /** Undefined: unknown, not checked. */
  readonly free: number | undefined;
  /** What the configuration allows the model; undefined: no limit. */
  readonly most: number | undefined;
}

/** In bytes. */
export interface MemoryPlan {
  readonly weightsBytes: number;
  readonly activationBytes: number;
  readonly kvCacheBytes: number;
  /** All of it, with what the runtime takes besides. */
  readonly neededBytes: number;
  readonly supply: MemorySupply;
  readonly fits: boolean;
  /** The KV cache is less than what was wanted. */
  readonly cut: boolean;
}

/**
 * What an engine process takes besides weights, activations and KV cache once it plans: tokenizer, its threads, the graph. Measured: 40
 * to 70 MB (tales, a 135M model, two MiniLMs).
 */
export const RUNTIME_BYTES = 64 * 2 ** 20;
/** The KV cache is found to a share of what can be cut: 2^-16. */
const HALVINGS = 16;

/** As large a KV cache as fits. If not even the least fits, the plan is the one with the least, and doesn't fit. A pure function. */
export function planMemory(demand: MemoryDemand, supply: MemorySupply): MemoryPlan {
  const { wanted, least } = demand.kvCache;
  const room = Math.min(supply.free ?? Infinity, supply.most ?? Infinity);
  const fits = (kvCacheBytes: number): boolean => neededWith(demand, kvCacheBytes) <= room;
  if (fits(wanted)) return planWith(demand, supply, wanted, true);
  let low = Math.min(least, wanted);
  if (!fits(low)) return planWith(demand, supply, low, false);
  let high = wanted;
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return planWith(demand, supply, Math.floor(low), true);
}

/** What is needed of what, and what there is: a clause. */
export function explainShortage(plan: MemoryPlan): string {
  const { weightsBytes, activationBytes, kvCacheBytes, neededBytes, supply } = plan;
  const parts = [
    `weights ${formatBytes(weightsBytes)}`,
    `activations ${formatBytes(activationBytes)}`,
    ...(kvCacheBytes > 0 ? [`KV cache at least ${formatBytes(kvCacheBytes)}`] : []),
    `runtime ${formatBytes(RUNTIME_BYTES)}`,
  ];
  const { free, most = Infinity } = supply;
  const room =
    free === undefined || most < free
      ? `'memory' allows ${formatBytes(most)}`
      : `${formatBytes(free)} are free`;
  return `it needs ${formatBytes(neededBytes)} (${parts.join(', ')}), and ${room}`;
}

function neededWith({ weightsBytes, activationBytes }: MemoryDemand, kvCacheBytes: number): number {
  return weightsBytes + activationBytes(kvCacheBytes) + kvCacheBytes + RUNTIME_BYTES;
}

function planWith(
  demand: MemoryDemand,
  supply: MemorySupply,
  kvCacheBytes: number,
  fits: boolean,
): MemoryPlan {
  return {
    weightsBytes: demand.weightsBytes,
    activationBytes: demand.activationBytes(kvCacheBytes),
    kvCacheBytes,
    neededBytes: neededWith(demand, kvCacheBytes),
    supply,
    fits,
    cut: kvCacheBytes < demand.kvCache.wanted,
  };
}
