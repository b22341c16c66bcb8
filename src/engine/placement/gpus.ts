import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Machine } from './machine.js';
import { namesIn, readText } from './read-text.js';

/** A GPU in hardware. */
export interface Gpu {
  readonly name: string;
  /** Of the libraries that are Vulkan drivers for it: a part of their names is enough. */
  readonly drivers: readonly string[];
  /** How to come by a driver, to be put behind a clause. */
  readonly hint: string;
}

const NVIDIA: Gpu = {
  name: 'an NVIDIA GPU',
  drivers: ['nvidia', 'nouveau'],
  hint: ' (in a container: NVIDIA_DRIVER_CAPABILITIES=all)',
};
/** By PCI vendor. What a virtual machine shows instead of hardware isn't among them. */
const BY_VENDOR: ReadonlyMap<string, Gpu> = new Map([
  ['0x10de', NVIDIA],
  ['0x1002', { name: 'an AMD GPU', drivers: ['radeon', 'amdvlk'], hint: ' (package mesa-vulkan-drivers)' }],
  ['0x8086', { name: 'an Intel GPU', drivers: ['intel'], hint: ' (package mesa-vulkan-drivers)' }],
]);
/** Windows' GPU as Linux in WSL sees it. */
const WSL: Gpu = { name: 'a GPU of the Windows host', drivers: ['dzn'], hint: ' (Mesa with dozen)' };

/** The GPUs of a Linux system. @param root folder in place of `/` */
export function findGpus(root: string): Gpu[] {
  const gpus: Gpu[] = [];
  if (namesIn(join(root, 'dev')).some((name) => /^nvidia\d+$/.test(name))) gpus.push(NVIDIA);
  if (existsSync(join(root, 'dev/dxg'))) gpus.push(WSL);
  for (const name of namesIn(join(root, 'dev/dri')).filter((each) => each.startsWith('renderD'))) {
    const vendor = readText(join(root, 'sys/class/drm', name, 'device/vendor'))?.trim();
    const gpu = BY_VENDOR.get(vendor ?? '');
    if (gpu && !gpus.includes(gpu)) gpus.push(gpu);
  }
  return gpus;
}

const ALL_DRIVERS = [NVIDIA, WSL, ...BY_VENDOR.values()].flatMap(({ drivers }) => drivers);
const MANIFEST_FOLDERS = ['etc/vulkan/icd.d', 'usr/share/vulkan/icd.d', 'usr/local/share/vulkan/icd.d'];

/** Which of the drivers of hardware that are known here the Vulkan loader finds. */
export function findVulkanDrivers({ root, vulkanManifests }: Machine): string[] {
  const manifests =
    vulkanManifests ??
    MANIFEST_FOLDERS.flatMap((folder) => namesIn(join(root, folder)).map((name) => join(root, folder, name)));
  const libraries = manifests.map(libraryOf).filter((library) => library !== undefined);
  return ALL_DRIVERS.filter((driver) => libraries.some((library) => library.includes(driver)));
}

function libraryOf(manifest: string): string | undefined {
  const text = readText(manifest);
  // JSON, of which one line says it all
  const path = text === undefined ? undefined : /"library_path"\s*:\s*"([^"]+)"/.exec(text)?.[1];
  return path === undefined ? undefined : basename(path).toLowerCase();
}
