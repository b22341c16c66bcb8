import type { ConcreteDevice, ConcreteDtype, Device, Dtype } from '../types.js';
import { formatBytes } from './bytes.js';
import { DTYPE_PREFERENCE } from './dtype-preference.js';
import type { MemoryPlan } from './memory-plan.js';

/** What was not taken, and why: a clause. */
export type PassedOver =
  | { readonly device: ConcreteDevice; readonly reason: string }
  | { readonly dtype: ConcreteDtype; readonly reason: string };

/** A sentence. */
export function deviceReason(asked: Device, device: ConcreteDevice, passed: readonly PassedOver[]): string {
  if (asked !== 'auto') return `The configuration says ${device}.`;
  const others = passed.map(nameAndReason).join('; ');
  return others === '' ? `auto took ${device}, the first that it tries.` : `auto took ${device}; ${others}.`;
}

/** A sentence. */
export function dtypeReason({
  asked,
  dtype,
  device,
  refused,
  plan,
}: {
  readonly asked: Dtype;
  readonly dtype: ConcreteDtype;
  readonly device: ConcreteDevice;
  readonly refused: readonly PassedOver[];
  readonly plan: MemoryPlan;
}): string {
  const others = refused.map((each) => `; ${nameAndReason(each)}`).join('');
  const cut = plan.cut
    ? `; the KV cache was cut to ${formatBytes(plan.kvCacheBytes)} to fit into memory`
    : '';
  if (asked !== 'auto') return `The configuration says ${dtype}${cut}.`;
  const order = DTYPE_PREFERENCE[device].slice(0, 4).join(', ');
  return `auto took ${dtype}, the first of ${order}, … that the model has${others === '' ? '' : ' and that runs'}${others}${cut}.`;
}

/** fp32 on a GPU is never an accident. */
export function fullPrecisionWarning(
  asked: Dtype,
  dtype: ConcreteDtype,
  device: ConcreteDevice,
  available: readonly ConcreteDtype[],
): string[] {
  if (device === 'cpu' || dtype !== 'fp32' || asked !== 'auto') return [];
  const others = available.filter((each) => each !== 'fp32');
  const reason = others.length === 0 ? 'the model has nothing else' : `${others.join(', ')} did not run`;
  return [
    `fp32 on a GPU: it takes twice the memory and time of fp16, but ${reason}. Export the model in fp16, or set dtype: fp32 to say ` +
      `that this is meant.`,
  ];
}

function nameAndReason(passed: PassedOver): string {
  return `${'device' in passed ? passed.device : passed.dtype}: ${passed.reason}`;
}
