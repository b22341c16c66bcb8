import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { freemem } from 'node:os';
import { dirname, join } from 'node:path';
import { listSupportedBackends } from 'onnxruntime-node';
import type { ConcreteDevice } from '../types.js';

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
/** A driver that hangs must not hold up the load. */
const ASK_TIMEOUT_MS = 5000;

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
    askNvidia: () => {
      const query = ['--query-gpu=memory.free', '--format=csv,noheader,nounits'];
      const { status, stdout } = spawnSync('nvidia-smi', query, {
        encoding: 'utf8',
        timeout: ASK_TIMEOUT_MS,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      return status === 0 ? stdout : undefined;
    },
    freeMemory: freemem,
  };
}
