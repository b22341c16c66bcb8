import { createRequire } from 'node:module';
import { freemem } from 'node:os';
import { dirname, join } from 'node:path';
import { listSupportedBackends } from 'onnxruntime-node';
import type { ConcreteDevice } from '../types.js';
import { askProgram } from './ask-program.js';
import { availableOnMac } from './mac-memory.js';

/** What placement asks the machine. A test has its own: a folder in place of `/`, and answers. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  /** Folder that `/proc`, `/sys`, `/dev`, `/etc` and `/usr` are in. */
  readonly root: string;
  /** Folder of ONNX Runtime's binding and of its providers' libraries. */
  readonly runtimeFolder: string;
  /** Manifests of Vulkan drivers that are used instead of those in the system's folders; undefined: none are named. */
  readonly vulkanManifests: readonly string[] | undefined;
  /** What this build of ONNX Runtime knows. Whether hardware and libraries are there is another question. */
  runtimeDevices(): readonly ConcreteDevice[];
  /** What `nvidia-smi --query-gpu=memory.free` prints: MiB, a line for each GPU; undefined: it can't be asked. */
  askNvidia(): string | undefined;
  /** Bytes, where the system has no `/proc/meminfo`. */
  freeMemory(): number;
}

const KNOWN: readonly string[] = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] satisfies ConcreteDevice[];
const NVIDIA_QUERY = ['--query-gpu=memory.free', '--format=csv,noheader,nounits'];

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  const { platform, arch } = process;
  const runtime = createRequire(import.meta.url).resolve('onnxruntime-node');
  // the names of the Vulkan loader, which reads them, too: what it won't use must not be counted on
  const manifests = process.env['VK_DRIVER_FILES'] ?? process.env['VK_ICD_FILENAMES'];
  return {
    platform,
    root: '/',
    runtimeFolder: join(dirname(runtime), '..', 'bin', 'napi-v6', platform, arch),
    vulkanManifests: manifests?.split(':').filter((path) => path !== ''),
    runtimeDevices: () =>
      listSupportedBackends()
        .map(({ name }) => name)
        .filter((name): name is ConcreteDevice => KNOWN.includes(name)),
    askNvidia: () => askProgram('nvidia-smi', NVIDIA_QUERY),
    freeMemory: () =>
      (platform === 'darwin' ? availableOnMac(askProgram('vm_stat')) : undefined) ?? freemem(),
  };
}
