import { describe, expect, it } from 'vitest';
import { describeDevices, findDevices } from '../../../src/engine/placement/devices.js';
import type { Machine } from '../../../src/engine/placement/machine.js';
import { driver, machineOf, NVIDIA_DRIVER, SOFTWARE_DRIVER } from './helpers.js';

function promising(machine: Machine): string[] {
  return findDevices(machine)
    .filter((each) => each.promising)
    .map(({ device }) => device);
}

function finding(machine: Machine, device: string): string | undefined {
  return findDevices(machine).find((each) => each.device === device)?.finding;
}

const RADEON = {
  'dev/dri/renderD128': '',
  'sys/class/drm/renderD128/device/vendor': '0x1002\n',
  'usr/share/vulkan/icd.d/radeon_icd.x86_64.json': driver('/usr/lib/libvulkan_radeon.so'),
};

describe('what auto tries on Linux', () => {
  it('is the CPU where there is nothing else', () => {
    expect(promising(machineOf())).toEqual(['cpu']);
  });

  it('is not a GPU in software, however many drivers are installed', () => {
    const drivers = { ...SOFTWARE_DRIVER, ...NVIDIA_DRIVER };
    expect(promising(machineOf(drivers))).toEqual(['cpu']);
    expect(finding(machineOf(drivers), 'webgpu')).toBe('no GPU was found');
  });

  it.each([
    ['an NVIDIA GPU', { 'dev/nvidia0': '', ...NVIDIA_DRIVER }],
    ['an AMD GPU', RADEON],
    [
      'an Intel GPU',
      {
        'dev/dri/renderD128': '',
        'sys/class/drm/renderD128/device/vendor': '0x8086\n',
        'usr/share/vulkan/icd.d/intel_icd.json': driver('libvulkan_intel.so'),
      },
    ],
    [
      'a GPU of the Windows host',
      { 'dev/dxg': '', 'usr/share/vulkan/icd.d/dzn_icd.json': driver('libvulkan_dzn.so') },
    ],
  ] as [string, Record<string, string>][])('is %s with its Vulkan driver', (name, files) => {
    const machine = machineOf({ ...SOFTWARE_DRIVER, ...files });
    expect(promising(machine)).toEqual(['webgpu', 'cpu']);
    expect(finding(machine, 'webgpu')).toBe(`${name} with a Vulkan driver`);
  });

  it('is not a GPU without a driver: a GPU in software would be taken in its place', () => {
    const machine = machineOf({ 'dev/nvidia0': '', 'dev/nvidiactl': '', ...SOFTWARE_DRIVER });
    expect(promising(machine)).toEqual(['cpu']);
    expect(finding(machine, 'webgpu')).toMatch(/no Vulkan driver for it.*NVIDIA_DRIVER_CAPABILITIES=all/);
  });

  it('is the GPU that has a driver, where there are two', () => {
    const machine = machineOf({ 'dev/nvidia0': '', ...RADEON });
    expect(finding(machine, 'webgpu')).toBe('an AMD GPU with a Vulkan driver');
  });

  it('is not what a virtual machine shows', () => {
    const files = { ...RADEON, 'sys/class/drm/renderD128/device/vendor': '0x1af4\n' };
    expect(promising(machineOf(files))).toEqual(['cpu']);
  });

  it('looks at the manifests that the Vulkan loader is told to use, and at no others', () => {
    const machine = machineOf({
      'dev/nvidia0': '',
      ...NVIDIA_DRIVER,
      'own/lvp.json': driver('libvulkan_lvp.so'),
    });
    expect(promising({ ...machine, vulkanManifests: [`${machine.root}/own/lvp.json`] })).toEqual(['cpu']);
    const named = [`${machine.root}/etc/vulkan/icd.d/nvidia_icd.json`];
    expect(promising({ ...machine, vulkanManifests: named })).toEqual(['webgpu', 'cpu']);
  });

  it('is cuda first, where its libraries are installed', () => {
    const files = { 'dev/nvidia0': '', ...NVIDIA_DRIVER, 'runtime/libonnxruntime_providers_cuda.so': '' };
    expect(promising(machineOf(files))).toEqual(['cuda', 'webgpu', 'cpu']);
  });

  it('is nothing that ONNX Runtime has no code for', () => {
    const machine = machineOf({ 'dev/nvidia0': '', ...NVIDIA_DRIVER }, { runtimeDevices: () => ['cpu'] });
    expect(promising(machine)).toEqual(['cpu']);
    expect(describeDevices(findDevices(machine))).toBe('cpu (always there)');
  });
});

it.each([
  ['darwin', ['cpu', 'webgpu', 'coreml'], ['webgpu', 'coreml', 'cpu']],
  ['win32', ['cpu', 'webgpu', 'dml'], ['webgpu', 'dml', 'cpu']],
] as const)('takes for granted what %s has', (platform, runtime, expected) => {
  expect(promising(machineOf({}, { platform, runtimeDevices: () => runtime }))).toEqual(expected);
});
