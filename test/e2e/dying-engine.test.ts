import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { EngineSupervisor } from '../../src/engine/client/engine-supervisor.js';
import type { Device } from '../../src/index.js';
import { testConfig } from '../support/app.js';
import { TALES } from '../support/models.js';

const log: string[] = [];
let supervisor: EngineSupervisor;
afterEach(() => supervisor.stop());

function supervise(device: Device): EngineSupervisor {
  log.length = 0;
  const say = (line: string): void => void log.push(line);
  return new EngineSupervisor({
    spec: { ...TALES, device },
    hub: testConfig().hub,
    log: { info: say, warn: say, debug: () => undefined },
    engineEntry: fileURLToPath(new URL('../support/dying-engine.mjs', import.meta.url)),
  });
}

it('a device that kills the process is avoided, where we choose it', async () => {
  supervisor = supervise('auto');
  const { device } = await supervisor.load();
  expect(device).toBe('cpu');
  expect(supervisor.loads).toBe(1);
  expect(log).toContain(
    "'tales' avoids the device 'webgpu' from now on: the engine process was ended by SIGSEGV while it loaded the model there",
  );
});

it('a device that was asked for and kills the process is an error, with the last words of the process', async () => {
  supervisor = supervise('webgpu');
  await expect(supervisor.load()).rejects.toMatchObject({
    code: 'engine_died',
    message:
      "Model 'tales': The engine process was ended by SIGSEGV while it loaded the model. Most often that is want of memory or a driver: " +
      'free memory, take smaller weights, or set device: cpu. Its last words: vkCreateDevice: lost',
  });
  expect(supervisor.state).toBe('failed');
});
