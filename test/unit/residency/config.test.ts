import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modelSchema } from '../../../src/config/config.schema.js';
import { ConfigError, loadConfig } from '../../../src/config/load-config.js';
import { toKeepAlive } from '../../../src/residency/suggest.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { thrown } from '../helpers/thrown.js';

function load(yaml: string) {
  return loadConfig({ RESIDENT_CONFIG: join(temporaryFolder({ 'my.yaml': yaml }), 'my.yaml') });
}

describe('the configuration of residency and metrics', () => {
  it('has the defaults that docs/residency.md names', () => {
    const { residency, metrics } = loadConfig({});
    expect(residency).toEqual({ gbHourPrice: 0.005, cpuHourPrice: 0.04, currency: 'USD' });
    expect(metrics).toEqual({ enabled: true });
  });

  it('takes memory that costs nothing, but no computing for nothing', () => {
    expect(load('residency: { gbHourPrice: 0 }').residency).toMatchObject({
      gbHourPrice: 0,
      cpuHourPrice: 0.04,
    });
    expect(thrown(ConfigError, () => load('residency: { cpuHourPrice: 0 }')).message).toContain(
      'residency.cpuHourPrice',
    );
    expect(thrown(ConfigError, () => load('residency: { gbHourPrice: -1 }')).message).toContain(
      'residency.gbHourPrice',
    );
  });

  it('takes every keepAlive that is suggested', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (seconds) => {
        const model = { name: 'a', source: 'owner/a', keepAlive: toKeepAlive(seconds) };
        expect(modelSchema.safeParse(model).error).toBeUndefined();
      }),
    );
  });
});
