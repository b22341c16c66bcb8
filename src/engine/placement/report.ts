import type { LoadReport } from '../protocol.js';
import type { Placement } from './place.js';

type PlacementReport = Pick<
  LoadReport,
  'device' | 'dtype' | 'deviceReason' | 'dtypeReason' | 'memory' | 'warnings'
>;

/**
 * What is told of where a model runs.
 * @param warnings besides those of the choice itself
 */
export function placementReport(
  { device, dtype, deviceReason, dtypeReason, plan, warnings }: Placement,
  more: readonly (string | undefined)[],
): PlacementReport {
  const { weightsBytes, activationBytes, kvCacheBytes, supply } = plan;
  const all = [...warnings, ...more.filter((warning) => warning !== undefined)];
  return {
    device,
    dtype,
    deviceReason,
    dtypeReason,
    memory: {
      weightsBytes,
      activationBytes,
      kvCacheBytes,
      ...(supply.free === undefined ? {} : { freeBytes: supply.free }),
    },
    ...(all.length > 0 ? { warnings: all } : {}),
  };
}
