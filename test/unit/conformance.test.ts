import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  accepts,
  CONFORMANCE_FILE,
  ENDPOINTS,
  formatConformanceFile,
  probe,
  type ProbedEndpoint,
} from '../support/conformance.js';
import type { FieldProbe } from '../support/openai-fields.js';

const ROWS = ENDPOINTS.flatMap((endpoint) =>
  Object.entries(endpoint.probes).map(
    ([name, field]): [path: string, name: string, ProbedEndpoint, FieldProbe] => [
      endpoint.path,
      name,
      endpoint,
      field,
    ],
  ),
);

it('docs/conformance.md says what the schemas say; if not: npm run conformance', async () => {
  expect(readFileSync(CONFORMANCE_FILE, 'utf8')).toBe(await formatConformanceFile());
});

describe.each(ROWS)('%s: %s', (_, name, endpoint, field) => {
  const outcome = probe(endpoint, name, field);

  it('is accepted, or refused by name', () => {
    expect(outcome).not.toMatchObject({ kind: 'unclear' });
  });

  it('is accepted where it asks for nothing', () => {
    const neutral = field.neutral ?? [];
    expect(neutral.filter((value) => !accepts(endpoint, name, value))).toEqual([]);
  });

  it('is mentioned where it is said to be shown', () => {
    if (outcome.kind !== 'supported' || field.proof === undefined) return;
    const file = new URL(`../../${field.proof}`, import.meta.url);
    expect(existsSync(file)).toBe(true);
    expect(readFileSync(file, 'utf8')).toContain(name.split(':')[0]);
  });
});
