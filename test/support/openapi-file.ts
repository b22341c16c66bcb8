import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { openApiDocument } from '../../src/openapi/openapi-document.js';

export const OPENAPI_FILE = fileURLToPath(new URL('../../docs/openapi.json', import.meta.url));

/** What the committed file must hold. */
export function formatOpenApiFile(): Promise<string> {
  return format(JSON.stringify(openApiDocument()), { parser: 'json', printWidth: 110 });
}
