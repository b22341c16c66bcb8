/** Writes docs/openapi.json. `npm run openapi` */
import { writeFileSync } from 'node:fs';
import { formatOpenApiFile, OPENAPI_FILE } from '../test/support/openapi-file.js';

writeFileSync(OPENAPI_FILE, await formatOpenApiFile());
