import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelLoadError } from '../../../src/engine/errors.js';
import type { DeviceFinding } from '../../../src/engine/placement/devices.js';
import { DEVICE_ORDER } from '../../../src/engine/placement/devices.js';
import { NotFiniteError } from '../../../src/engine/placement/failures.js';
import { planMemory } from '../../../src/engine/placement/memory-plan.js';
import { place, type Placement, type PlacementTask } from '../../../src/engine/placement/place.js';
import {
  DEVICES,
  DTYPES,
  type ConcreteDevice,
  type ConcreteDtype,
  type Device,
  type Dtype,
  type Task,
} from '../../../src/engine/types.js';

const GB = 2 ** 30;
const BYTES: Partial<Record<ConcreteDtype, number>> = { fp32: 4 * GB, fp16: 2 * GB, q8: GB, q4: GB / 2 };

/** Those that are named have hardware. */
function findings(...promising: ConcreteDevice[]): DeviceFinding[] {
  return DEVICE_ORDER.map((device) => ({
    device,
    known: device !== 'dml' && device !== 'coreml',
    promising: device === 'cpu' || promising.includes(device),
    finding: promising.includes(device) ? `there is a ${device}` : `there is no ${device}`,
  }));
}

interface Scene {
  readonly task?: Task;
  readonly device?: Device;
  readonly dtype?: Dtype;
  readonly gpus?: ConcreteDevice[];
  readonly dtypes?: ConcreteDtype[];
  readonly fetched?: ConcreteDtype[];
  readonly free?: Partial<Record<ConcreteDevice, number>>;
  readonly avoid?: PlacementTask<unknown>['avoid'];
  /** What happens in a place; nothing: it works. */
  readonly attempt?: (device: ConcreteDevice, dtype: ConcreteDtype) => void;
}

/** Where the model came to run, and all places that were tried. */
async function run(scene: Scene): Promise<{ placement: Placement; tried: string[] }> {
  const tried: string[] = [];
  const dtypes = scene.dtypes ?? ['fp32', 'fp16', 'q8', 'q4'];
  const placement = await place({
    spec: {
      source: 'models/some',
      task: scene.task ?? 'text-generation',
      device: scene.device ?? 'auto',
      dtype: scene.dtype ?? 'auto',
    },
    devices: findings(...(scene.gpus ?? [])),
    avoid: scene.avoid ?? [],
    dtypes,
    isFetched: (dtype) => (scene.fetched ?? dtypes).includes(dtype),
    plan: (device, dtype) =>
      planMemory(
        {
          weightsBytes: BYTES[dtype] ?? GB,
          activationBytes: () => 0,
          kvCache: { wanted: GB, least: GB / 4 },
        },
        { free: scene.free?.[device], most: undefined },
      ),
    attempt: async (found) => {
      tried.push(`${found.device} ${found.dtype}`);
      scene.attempt?.(found.device, found.dtype);
      return found;
    },
  });
  return { placement, tried };
}

async function failureOf(scene: Scene): Promise<ModelLoadError> {
  const outcome = await run(scene).catch((error: unknown) => error);
  if (outcome instanceof ModelLoadError) return outcome;
  throw new Error(`expected a ModelLoadError, got ${String(outcome)}`);
}

function failing(...places: string[]): Scene['attempt'] {
  return (device, dtype) => {
    if (places.includes(device) || places.includes(`${device} ${dtype}`))
      throw new ModelLoadError('device_unavailable', `Device '${device}' can't be used here: no adapter.`, {
        cause: new Error('no adapter.'),
      });
  };
}

describe('device: auto', () => {
  it('takes 8 bits on the CPU where there is no GPU, and says what there is not', async () => {
    const { placement, tried } = await run({});
    expect(tried).toEqual(['cpu q8']);
    expect(placement.deviceReason).toBe('auto took cpu; cuda: there is no cuda; webgpu: there is no webgpu.');
    expect(placement.dtypeReason).toBe(
      'auto took q8, the first of q8, int8, uint8, fp32, … that the model has.',
    );
  });

  it('takes fp16 on a GPU', async () => {
    const { placement, tried } = await run({ gpus: ['webgpu'] });
    expect(tried).toEqual(['webgpu fp16']);
    expect(placement.warnings).toEqual([]);
  });

  it('goes on to the next device where one fails, with the weights for that one', async () => {
    const { placement, tried } = await run({ gpus: ['cuda', 'webgpu'], attempt: failing('cuda', 'webgpu') });
    expect(tried).toEqual(['cuda fp16', 'webgpu fp16', 'cpu q8']);
    expect(placement.deviceReason).toBe('auto took cpu; cuda: no adapter; webgpu: no adapter.');
  });

  it('leaves out a device that ended a process before', async () => {
    const avoid = [{ device: 'webgpu', reason: 'it ended the process' }] as const;
    const { placement, tried } = await run({ gpus: ['webgpu'], avoid });
    expect(tried).toEqual(['cpu q8']);
    expect(placement.deviceReason).toContain('webgpu: it ended the process');
  });

  it('fails as the CPU fails, if nothing works', async () => {
    const failure = await failureOf({ gpus: ['webgpu'], attempt: failing('webgpu', 'cpu') });
    expect(failure.message).toContain("'cpu'");
  });

  it('takes other weights on the same device where half precision overflows', async () => {
    const { placement, tried } = await run({
      gpus: ['webgpu'],
      dtypes: ['fp16', 'q4f16', 'q4', 'q8'],
      attempt: (_, dtype) => {
        if (dtype.endsWith('16'))
          throw new ModelLoadError('model_unsupported', 'It is not finite.', { cause: new NotFiniteError() });
      },
    });
    expect(tried).toEqual(['webgpu fp16', 'webgpu q4']);
    expect(placement.dtypeReason).toContain('fp16: its output is not finite');
  });

  it('takes weights that are here where the hub is out of reach', async () => {
    const { tried } = await run({
      fetched: ['fp32'],
      attempt: (_, dtype) => {
        if (dtype !== 'fp32') throw new ModelLoadError('hub_unreachable', 'The hub is out of reach.');
      },
    });
    expect(tried).toEqual(['cpu q8', 'cpu fp32']);
  });
});

describe('an explicit choice', () => {
  it('is never exchanged: what was asked for runs, or the load fails, and nothing else is tried', async () => {
    const devices = fc.constantFrom(...DEVICES.filter((device) => device !== 'auto'));
    const dtypes = fc.constantFrom(...DTYPES.filter((dtype) => dtype !== 'auto'));
    const available = fc.subarray(
      DTYPES.filter((dtype) => dtype !== 'auto'),
      {
        minLength: 1,
      },
    );
    await fc.assert(
      fc.asyncProperty(devices, dtypes, available, fc.boolean(), async (device, dtype, has, works) => {
        const tried: string[] = [];
        const attempt: Scene['attempt'] = (...at) => {
          tried.push(at.join(' '));
          if (!works) throw new ModelLoadError('device_unavailable', "It can't be used.");
        };
        await run({ device, dtype, dtypes: has, gpus: ['webgpu'], attempt }).catch((error: unknown) => {
          if (!(error instanceof ModelLoadError)) throw error;
        });
        const known = device !== 'dml' && device !== 'coreml';
        expect(tried).toEqual(known && has.includes(dtype) ? [`${device} ${dtype}`] : []);
      }),
    );
  });

  it('of a device that ONNX Runtime does not have here names what was found', async () => {
    const failure = await failureOf({ device: 'coreml', gpus: ['webgpu'] });
    expect(failure.code).toBe('device_unavailable');
    expect(failure.message).toBe(
      "Device 'coreml' is not available here: there is no coreml. Found: cuda (there is no cuda), webgpu (there is a webgpu), " +
        'cpu (there is no cpu). Set device to one that is there, or to auto.',
    );
  });

  it('of a device that turns out not to work names what was found, too', async () => {
    const failure = await failureOf({ device: 'webgpu', attempt: failing('webgpu') });
    expect(failure.message).toMatch(
      /can't be used here: no adapter\. Found: .*webgpu \(there is no webgpu\)/,
    );
  });

  it('of a device tries it even if no hardware was found: a GPU in software will do', async () => {
    expect((await run({ device: 'webgpu' })).tried).toEqual(['webgpu fp16']);
  });

  it('of weights that the model has not lists those that it has', async () => {
    const failure = await failureOf({ dtype: 'bnb4', dtypes: ['q8', 'fp32'] });
    expect(failure).toMatchObject({ code: 'weights_not_found' });
    expect(failure.message).toBe(
      "The model has no weights of dtype 'bnb4'. Available: q8, fp32; or set dtype: auto.",
    );
  });

  it('of fp32 on a GPU is no accident', async () => {
    const { placement } = await run({ gpus: ['webgpu'], dtype: 'fp32' });
    expect(placement).toMatchObject({ device: 'webgpu', dtype: 'fp32', warnings: [] });
  });
});

describe('fp32 on a GPU', () => {
  it('is taken by auto only where the model has nothing else, and with a warning', async () => {
    const { placement } = await run({ gpus: ['webgpu'], dtypes: ['fp32'] });
    expect(placement.dtype).toBe('fp32');
    expect(placement.warnings).toEqual([expect.stringMatching(/^fp32 on a GPU: .*nothing else/)]);
  });

  it('is never taken before anything else that runs', async () => {
    const available = fc.subarray(
      DTYPES.filter((dtype) => dtype !== 'auto'),
      {
        minLength: 2,
      },
    );
    await fc.assert(
      fc.asyncProperty(available, async (dtypes) => {
        expect((await run({ gpus: ['webgpu'], dtypes })).placement.dtype).not.toBe('fp32');
      }),
    );
  });
});

describe('where memory is short', () => {
  it('the KV cache is cut first', async () => {
    const { placement } = await run({ free: { cpu: 1.5 * GB } });
    expect(placement).toMatchObject({ device: 'cpu', dtype: 'q8', plan: { cut: true } });
    expect(placement.dtypeReason).toMatch(/the KV cache was cut to \d+ MB to fit into memory\.$/);
  });

  it('then auto takes smaller weights', async () => {
    const { placement, tried } = await run({ free: { cpu: 0.9 * GB } });
    expect(tried).toEqual(['cpu q4']);
    expect(placement.dtypeReason).toContain('q8: it needs 1.3 GB (weights 1 GB');
  });

  it('then auto takes the CPU', async () => {
    const { placement, tried } = await run({ gpus: ['webgpu'], free: { webgpu: 0.5 * GB, cpu: 64 * GB } });
    expect(tried).toEqual(['cpu q8']);
    expect(placement.deviceReason).toMatch(/webgpu: not even q4 fits: it needs .*, and 512 MB are free/);
  });

  it('an explicit choice fails before the load, with the numbers', async () => {
    const scene = { device: 'cpu', dtype: 'fp32', free: { cpu: 2 * GB } } as const;
    const failure = await failureOf(scene);
    expect(failure.code).toBe('insufficient_memory');
    expect(failure.message).toBe(
      "'models/some' doesn't fit into memory on cpu in fp32: it needs 4.3 GB (weights 4 GB, activations 0 bytes, KV cache at least " +
        '256 MB, runtime 64 MB), and 2 GB are free; free memory, lower maxRows, prefillChunk or kvCacheMemory, set device and dtype ' +
        'to auto, or take a smaller model.',
    );
  });

  it('of an encoder, what is to be lowered is what an encoder has', async () => {
    const failure = await failureOf({ task: 'feature-extraction', free: { cpu: 1 } });
    expect(failure.message).toMatch(
      /; free memory, lower maxTokens or batchTokens, or take a smaller model\.$/,
    );
  });

  it('auto fails with the numbers of the smallest weights', async () => {
    const failure = await failureOf({ gpus: ['webgpu'], free: { webgpu: 1, cpu: 1 } });
    expect(failure.message).toMatch(/doesn't fit into memory on cpu in q4/);
  });

  it('other weights are tried where the plan was too good', async () => {
    const { tried } = await run({
      attempt: (_, dtype) => {
        if (dtype === 'q8') throw new ModelLoadError('insufficient_memory', 'There is not enough memory.');
      },
    });
    expect(tried).toEqual(['cpu q8', 'cpu fp32']);
  });
});
