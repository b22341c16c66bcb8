import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ConcreteDevice } from '../types.js';
import { findGpus, findVulkanDrivers, type Gpu } from './gpus.js';
import type { Machine } from './machine.js';

/** What is known of a device before it is tried. */
export interface DeviceFinding {
  readonly device: ConcreteDevice;
  /** Worth a try by `device: auto`. */
  readonly promising: boolean;
  /** ONNX Runtime has code for it here: an explicit choice may try it. */
  readonly known: boolean;
  /** Why it is not promising, or what was found: a clause without a full stop. */
  readonly finding: string;
}

/** The order in which `device: auto` tries them. */
export const DEVICE_ORDER: readonly ConcreteDevice[] = ['cuda', 'webgpu', 'coreml', 'dml', 'cpu'];

const CUDA_LIBRARY = 'libonnxruntime_providers_cuda.so';
export const CUDA_REMEDY =
  'ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node --ignore-scripts=false';

/** All devices, in the order of `DEVICE_ORDER`. */
export function findDevices(machine: Machine): DeviceFinding[] {
  const runtime = machine.runtimeDevices();
  return DEVICE_ORDER.map((device) => {
    const known = runtime.includes(device);
    if (!known) {
      const finding = `ONNX Runtime has no ${device} on ${machine.platform}`;
      return { device, known, promising: false, finding };
    }
    return { device, known, ...lookFor(device, machine) };
  });
}

/** The devices that are there, in words; what is not, with the reason. */
export function describeDevices(devices: readonly DeviceFinding[]): string {
  return devices
    .filter(({ known }) => known)
    .map(({ device, finding }) => `${device} (${finding})`)
    .join(', ');
}

function lookFor(device: ConcreteDevice, machine: Machine): Pick<DeviceFinding, 'promising' | 'finding'> {
  switch (device) {
    case 'cpu':
      return { promising: true, finding: 'always there' };
    case 'cuda':
      return existsSync(join(machine.runtimeFolder, CUDA_LIBRARY))
        ? { promising: true, finding: 'its libraries are installed' }
        : { promising: false, finding: 'its libraries are not installed' };
    case 'webgpu':
      return machine.platform === 'linux' ? lookForVulkan(machine) : assumed(machine);
    // only in the builds for their systems, which always have an adapter for them
    case 'coreml':
    case 'dml':
      return assumed(machine);
    default:
      return device satisfies never;
  }
}

function assumed({ platform }: Machine): Pick<DeviceFinding, 'promising' | 'finding'> {
  return { promising: true, finding: `part of ${platform === 'win32' ? 'Windows' : platform}` };
}

/**
 * ONNX Runtime doesn't tell which adapter it took, and where a real GPU has no driver, it takes a GPU in software, which is slower than
 * the CPU. So a GPU and a driver for it must both be there.
 */
function lookForVulkan(machine: Machine): Pick<DeviceFinding, 'promising' | 'finding'> {
  const gpus = findGpus(machine.root);
  if (gpus.length === 0) return { promising: false, finding: 'no GPU was found' };
  const drivers = findVulkanDrivers(machine);
  const driven = gpus.find(({ drivers: names }) => names.some((name) => drivers.includes(name)));
  if (driven) return { promising: true, finding: `${driven.name} with a Vulkan driver` };
  const [gpu] = gpus as [Gpu];
  return { promising: false, finding: `${gpu.name} is there, but no Vulkan driver for it${gpu.hint}` };
}
