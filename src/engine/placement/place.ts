import { ModelLoadError, messageOf, type LoadErrorCode } from '../errors.js';
import type { ConcreteDevice, ConcreteDtype, FailedDevice, ModelSpec } from '../types.js';
import { chooseDtypes } from './choose-dtypes.js';
import { describeDevices, type DeviceFinding } from './devices.js';
import { isHalfPrecision } from './dtype-preference.js';
import { NotFiniteError, reasonOf } from './failures.js';
import { explainShortage, type MemoryPlan } from './memory-plan.js';
import { deviceReason, dtypeReason, fullPrecisionWarning, type PassedOver } from './reasons.js';

/** Where a model is to run, in which weights, and why. */
export interface Placement {
  readonly device: ConcreteDevice;
  readonly dtype: ConcreteDtype;
  readonly plan: MemoryPlan;
  /** Sentences. */
  readonly deviceReason: string;
  readonly dtypeReason: string;
  /** What the operator should know of this choice: sentences. */
  readonly warnings: readonly string[];
}

export interface PlacementTask<T> {
  readonly spec: Pick<ModelSpec, 'device' | 'dtype' | 'source' | 'task'>;
  /** In the order of `auto`. */
  readonly devices: readonly DeviceFinding[];
  /** Not for `auto`. */
  readonly avoid: readonly FailedDevice[];
  /** What the model has weights in. */
  readonly dtypes: readonly ConcreteDtype[];
  /** Whether they are here already; asked for when the hub can't be reached. */
  readonly isFetched: (dtype: ConcreteDtype) => boolean;
  readonly plan: (device: ConcreteDevice, dtype: ConcreteDtype) => MemoryPlan;
  /** Loads the model and tries it out; if it throws, it has given back what it took. */
  readonly attempt: (placement: Placement) => Promise<T>;
}

/**
 * Finds the first place where the model runs. `auto` goes on to the next device, or to other weights, where one fails; what is said
 * explicitly is tried, and nothing else.
 * @throws ModelLoadError
 */
export async function place<T>(task: PlacementTask<T>): Promise<T> {
  const { devices, passed } = candidates(task);
  let failure: unknown;
  for (const device of devices) {
    const outcome = await tryDevice(task, device, passed);
    if (outcome.kind === 'done') return outcome.result;
    failure = outcome.error;
    passed.push({ device, reason: outcome.reason });
  }
  throw task.spec.device === 'auto' ? failure : withFindings(failure, task.devices);
}

/** What else there is, where an explicit device turned out not to work. */
function withFindings(failure: unknown, devices: readonly DeviceFinding[]): unknown {
  if (!(failure instanceof ModelLoadError) || failure.code !== 'device_unavailable') return failure;
  return new ModelLoadError(failure.code, `${failure.message} Found: ${describeDevices(devices)}.`, {
    cause: failure.cause,
  });
}

/** @throws ModelLoadError if an explicit device can't even be tried */
function candidates({ spec, devices, avoid }: Omit<PlacementTask<unknown>, 'attempt'>): {
  devices: ConcreteDevice[];
  passed: PassedOver[];
} {
  if (spec.device !== 'auto') {
    const asked = devices.find(({ device }) => device === spec.device);
    if (asked?.known) return { devices: [spec.device], passed: [] };
    throw new ModelLoadError(
      'device_unavailable',
      `Device '${spec.device}' is not available here: ${asked?.finding ?? 'it is unknown'}. Found: ${describeDevices(devices)}. ` +
        `Set device to one that is there, or to auto.`,
    );
  }
  const passed: PassedOver[] = [];
  const left: ConcreteDevice[] = [];
  for (const { device, known, promising, finding } of devices) {
    const failed = avoid.find((each) => each.device === device);
    if (promising && !failed) left.push(device);
    else if (known) passed.push({ device, reason: failed?.reason ?? finding });
  }
  return { devices: left, passed };
}

type Outcome<T> =
  | { readonly kind: 'done'; readonly result: T }
  /** `reason` is a clause. */
  | { readonly kind: 'failed'; readonly error: unknown; readonly reason: string };

/** Weights in the order of preference: the first that fits, and others if that turns out not to do. */
async function tryDevice<T>(
  { spec, dtypes, isFetched, plan, attempt }: PlacementTask<T>,
  device: ConcreteDevice,
  passed: readonly PassedOver[],
): Promise<Outcome<T>> {
  const refused: PassedOver[] = [];
  let failure: unknown;
  let smallest: { readonly dtype: ConcreteDtype; readonly memory: MemoryPlan } | undefined;
  let overflows = false;
  let unreachable = false;
  for (const dtype of chooseDtypes(spec.dtype, dtypes, device)) {
    if ((overflows && isHalfPrecision(dtype)) || (unreachable && !isFetched(dtype))) continue;
    const memory = plan(device, dtype);
    if (!memory.fits) {
      refused.push({ dtype, reason: explainShortage(memory) });
      if (!smallest || memory.neededBytes < smallest.memory.neededBytes) smallest = { dtype, memory };
      continue;
    }
    try {
      return {
        kind: 'done',
        result: await attempt(placementOf({ spec, dtypes, device, dtype, memory, passed, refused })),
      };
    } catch (error) {
      failure = error;
      const overflowed = causedBy(error, NotFiniteError);
      overflows ||= overflowed;
      const missed = hasCode(error, 'hub_unreachable');
      unreachable ||= missed;
      if (!overflowed && !missed && !hasCode(error, 'insufficient_memory')) break;
      refused.push({ dtype, reason: clauseOf(error) });
    }
  }
  if (failure !== undefined) return { kind: 'failed', error: failure, reason: clauseOf(failure) };
  if (!smallest) throw new Error('no weights were tried'); // chooseDtypes gives at least one
  const { dtype, memory } = smallest;
  const reason = `not even ${dtype} fits: ${explainShortage(memory)}`;
  return { kind: 'failed', error: shortageError(spec, device, dtype, memory), reason };
}

interface Choice {
  readonly spec: PlacementTask<unknown>['spec'];
  readonly dtypes: readonly ConcreteDtype[];
  readonly device: ConcreteDevice;
  readonly dtype: ConcreteDtype;
  readonly memory: MemoryPlan;
  readonly passed: readonly PassedOver[];
  readonly refused: readonly PassedOver[];
}

function placementOf({ spec, dtypes, device, dtype, memory, passed, refused }: Choice): Placement {
  return {
    device,
    dtype,
    plan: memory,
    deviceReason: deviceReason(spec.device, device, passed),
    dtypeReason: dtypeReason({ asked: spec.dtype, dtype, device, refused, plan: memory }),
    warnings: fullPrecisionWarning(spec.dtype, dtype, device, dtypes),
  };
}

function hasCode(error: unknown, code: LoadErrorCode): boolean {
  return error instanceof ModelLoadError && error.code === code;
}

function causedBy(error: unknown, type: typeof NotFiniteError): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof type) return true;
  return false;
}

/** What is said of a device that was tried: what the runtime said, without what only its message needs. */
function clauseOf(error: unknown): string {
  const wrapped = hasCode(error, 'device_unavailable') || hasCode(error, 'model_unsupported');
  const cause = wrapped && error instanceof Error ? (error.cause ?? error) : error;
  return reasonOf(messageOf(cause));
}

function shortageError(
  { source, task, device: asked, dtype: askedDtype }: PlacementTask<unknown>['spec'],
  device: ConcreteDevice,
  dtype: ConcreteDtype,
  plan: MemoryPlan,
): ModelLoadError {
  const { free, most = Infinity } = plan.supply;
  const raise = free === undefined || most < free ? "raise 'memory', " : 'free memory, ';
  const others = asked === 'auto' && askedDtype === 'auto' ? '' : ', set device and dtype to auto';
  const sizes =
    task === 'text-generation' ? 'maxRows, prefillChunk or kvCacheMemory' : 'maxTokens or batchTokens';
  return new ModelLoadError(
    'insufficient_memory',
    `'${source}' doesn't fit into memory on ${device} in ${dtype}: ${explainShortage(plan)}; ${raise}` +
      `lower ${sizes}${others}, or take a smaller model.`,
  );
}
