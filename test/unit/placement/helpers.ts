import type { Machine } from '../../../src/engine/placement/machine.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';

/** A machine that consists of these files. */
export function machineOf(
  files: Readonly<Record<string, string>> = {},
  more: Partial<Machine> = {},
): Machine {
  const root = temporaryFolder(files);
  return {
    platform: 'linux',
    root,
    runtimeFolder: `${root}/runtime`,
    vulkanManifests: undefined,
    runtimeDevices: () => ['cpu', 'webgpu', 'cuda'],
    askNvidia: () => undefined,
    freeMemory: () => 8 * 2 ** 30,
    ...more,
  };
}

/** A Vulkan driver's manifest. */
export function driver(library: string): string {
  return JSON.stringify({ file_format_version: '1.0.1', ICD: { library_path: library, api_version: '1.4' } });
}

export const NVIDIA_DRIVER = { 'etc/vulkan/icd.d/nvidia_icd.json': driver('libGLX_nvidia.so.0') };
export const SOFTWARE_DRIVER = { 'usr/share/vulkan/icd.d/lvp_icd.json': driver('libvulkan_lvp.so') };
