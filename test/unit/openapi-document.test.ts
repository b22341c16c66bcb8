import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openApiDocument } from '../../src/openapi/openapi-document.js';
import { DOCUMENTED_SCHEMAS } from '../../src/openapi/operations.js';
import { formatOpenApiFile, OPENAPI_FILE } from '../support/openapi-file.js';

const document = JSON.stringify(openApiDocument());
const { components } = z
  .object({
    components: z.object({
      schemas: z.record(
        z.string(),
        z.object({ properties: z.record(z.string(), z.unknown()), required: z.array(z.string()).optional() }),
      ),
    }),
  })
  .parse(openApiDocument());

describe('openApiDocument', () => {
  it('is what docs/openapi.json holds; if not: npm run openapi', async () => {
    expect(readFileSync(OPENAPI_FILE, 'utf8')).toBe(await formatOpenApiFile());
  });

  it('refers to what it has only', () => {
    const refs = [...document.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
    expect(refs.length).toBeGreaterThan(20);
    expect(Object.keys(DOCUMENTED_SCHEMAS)).toEqual(expect.arrayContaining([...new Set(refs)]));
    expect(document).not.toContain('$defs');
  });

  it('leaves out what is there to be refused', () => {
    expect(components.schemas['CompletionRequest']?.properties).not.toHaveProperty('best_of');
    expect(components.schemas['CompletionRequest']?.properties).toHaveProperty('seed');
    expect(components.schemas['RerankRequest']?.properties).not.toHaveProperty('rank_fields');
    expect(document).not.toContain('unsupported":true');
  });

  it('tells which fields must be there', () => {
    expect(components.schemas['EmbeddingRequest']?.required).toEqual(['model', 'input']);
    expect(components.schemas['RerankRequest']?.required).toEqual(['model', 'query', 'documents']);
  });
});
