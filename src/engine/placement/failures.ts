import { messageOf } from '../errors.js';

/** A pass gave numbers that are none. */
export class NotFiniteError extends Error {
  constructor(message = 'its output is not finite; another dtype may do') {
    super(message);
    this.name = new.target.name;
  }
}

/** What runtimes say for want of memory: ONNX Runtime on the CPU, its CUDA and WebGPU providers, Vulkan, V8. */
const OUT_OF_MEMORY: readonly RegExp[] = [
  /bad_alloc|bad allocation/,
  /failed to allocate memory/i,
  /memory allocation failed/i,
  /out[ _-]of[ _-](device[ _]|host[ _]|gpu[ _])?memory/i,
  /cuda_?error_?memory_?allocation|cudaMalloc/i,
  /array buffer allocation failed/i,
  /invalid (typed array|array buffer) length/i,
];

/** Whether a pass or a load failed for want of memory: a smaller one may work. */
export function isOutOfMemory(error: unknown): boolean {
  const message = messageOf(error);
  return OUT_OF_MEMORY.some((pattern) => pattern.test(message));
}

/**
 * Whether the GPU is gone for this process: nothing works any more until it is started anew. So it is after Dawn had no memory for a
 * buffer: ONNX Runtime keeps the buffer that wasn't made, and uses it again.
 */
export function isDeviceLost(error: unknown): boolean {
  return /device (is |was )?lost|\] is lost|DEVICE_LOST|valid external Instance reference no longer|Invalid Buffer.* due to a previous error/i.test(
    messageOf(error),
  );
}

/**
 * What of a message of ONNX Runtime is worth reading: its first line without the place in the source and without the check that
 * failed. A clause without a full stop.
 */
export function reasonOf(error: unknown): string {
  const line = messageOf(error).trim().split('\n', 1)[0] ?? '';
  const [, node, status] = /while running (\S+) node\..*?Status Message: (.*)$/.exec(line) ?? [];
  if (node !== undefined && status !== undefined && status !== '') return `${node}: ${reasonOf(status)}`;
  const reason = line
    .replace(/^\/onnxruntime_src\/.*? was false\. /, '')
    .replace(/^\/onnxruntime_src\/\S+ /, '')
    .replace(/^(Load model from .+? failed: ?)?(This is an invalid model\. )?/, '');
  return reason.trim().replace(/\.$/, '');
}

/** Why a graph can't be run by this ONNX Runtime, if that is what it says: a clause. */
export function unsupportedGraphReason(error: unknown): string | undefined {
  const message = messageOf(error);
  const operator =
    /No Op registered for (\S+)/.exec(message)?.[1] ??
    /(\S+?)\(-?\d+\) is not a registered function\/op/.exec(message)?.[1] ??
    /Could not find an implementation for (\S+?)\(/.exec(message)?.[1];
  if (operator !== undefined) return `its graph has the operator ${operator.replace(/^.*:/, '')}`;
  const domain = /No opset import for domain '([^']*)'/.exec(message)?.[1];
  if (domain !== undefined) return `its graph has operators of the domain '${domain}'`;
  const opset = /Opset (\d+) is under development/.exec(message)?.[1];
  if (opset !== undefined) return `its graph is of opset ${opset}`;
  const version = /Unsupported model IR version: (\d+)/.exec(message)?.[1];
  if (version !== undefined) return `its graph is of ONNX IR version ${version}`;
  return undefined;
}

/** What Transformers.js says of a `model_type` that it doesn't know. */
export function unknownArchitecture(error: unknown): string | undefined {
  return /^Unsupported model type: (.+)$/.exec(messageOf(error))?.[1];
}
