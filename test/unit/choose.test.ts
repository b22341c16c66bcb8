import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelLoadError } from '../../src/engine/errors.js';
import { chooseDevice, chooseDtype, explainUnusableDevice } from '../../src/engine/loading/choose.js';
import { DEVICES, DTYPES, type ConcreteDevice, type ConcreteDtype } from '../../src/engine/types.js';

const concreteDevices = DEVICES.filter((device) => device !== 'auto') as ConcreteDevice[];
const concreteDtypes = DTYPES.filter((dtype) => dtype !== 'auto') as ConcreteDtype[];
const availableDevices = fc.subarray(concreteDevices, { minLength: 1 });
const availableDtypes = fc.subarray(concreteDtypes);

/** What is chosen; or, of the refusal, what it says was asked for and what there is. */
function answer(choose: () => string): { chosen: string } | { refused?: string; available?: string } {
  try {
    return { chosen: choose() };
  } catch (error) {
    if (!(error instanceof ModelLoadError)) throw error;
    return (
      /'(?<refused>\w+)'.*Available: (?<available>[\w, ]+); or set d\w+: auto\.$/.exec(error.message)
        ?.groups ?? {}
    );
  }
}

function expectedAnswer(asked: string, available: readonly string[]): ReturnType<typeof answer> {
  if (available.includes(asked)) return { chosen: asked };
  return { refused: asked, available: available.join(', ') || 'none' };
}

describe('chooseDevice', () => {
  it('takes the CPU on auto, whatever else is there', () => {
    fc.assert(
      fc.property(availableDevices, (available) => {
        expect(chooseDevice('auto', available)).toBe('cpu');
      }),
    );
  });

  it('takes exactly what was asked for, or says what there is', () => {
    fc.assert(
      fc.property(fc.constantFrom(...concreteDevices), availableDevices, (asked, available) => {
        expect(answer(() => chooseDevice(asked, available))).toEqual(expectedAnswer(asked, available));
      }),
    );
  });
});

describe('chooseDtype', () => {
  it('takes exactly what was asked for, or says what there is', () => {
    fc.assert(
      fc.property(fc.constantFrom(...concreteDtypes), availableDtypes, (asked, available) => {
        expect(answer(() => chooseDtype(asked, available))).toEqual(expectedAnswer(asked, available));
      }),
    );
  });

  it('takes on auto one that is there, however few there are', () => {
    fc.assert(
      fc.property(fc.subarray(concreteDtypes, { minLength: 1 }), (available) => {
        expect(available).toContain(chooseDtype('auto', available));
      }),
    );
  });

  it('takes on auto the same one in whatever order they are found', () => {
    const permuted = fc
      .subarray(concreteDtypes, { minLength: 1 })
      .chain((available) =>
        fc.tuple(fc.constant(available), fc.shuffledSubarray(available, { minLength: available.length })),
      );
    fc.assert(
      fc.property(permuted, ([available, shuffled]) => {
        expect(chooseDtype('auto', shuffled)).toBe(chooseDtype('auto', available));
      }),
    );
  });

  it.each([
    [['fp32', 'q8', 'q4'], 'q8'],
    [['fp32', 'q4', 'fp16'], 'fp32'],
    [['q4', 'fp16'], 'q4'],
    [['uint8', 'int8'], 'int8'],
  ] as [ConcreteDtype[], ConcreteDtype][])('prefers on auto, of %o, %s', (available, best) => {
    expect(chooseDtype('auto', available)).toBe(best);
  });

  it('says so if there are no weights at all', () => {
    expect(() => chooseDtype('auto', [])).toThrow('no ONNX weights');
    expect(() => chooseDtype('q4', [])).toThrow('Available: none');
  });
});

describe('explainUnusableDevice', () => {
  it('gives the reason without the place in ONNX Runtime that found it', () => {
    const error = new Error(
      '/onnxruntime_src/onnxruntime/core/x.cc:1209 onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : ok was false. Failed to load library libcuda.so.\n  at frame 1\n  at frame 2',
    );
    const text = explainUnusableDevice('cuda', error);
    expect(text).toContain("Device 'cuda' can't be used here: Failed to load library libcuda.so (for CUDA:");
    expect(text).not.toMatch(/onnxruntime_src|frame/);
    expect(text).toMatch(/Available: cpu; or set device: auto\.$/);
  });

  it('names the remedy for CUDA only where CUDA was asked for', () => {
    expect(explainUnusableDevice('webgpu', new Error('no adapter.'))).toBe(
      "Device 'webgpu' can't be used here: no adapter. Available: cpu; or set device: auto.",
    );
  });
});
