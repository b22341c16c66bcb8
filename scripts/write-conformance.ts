/** Writes docs/conformance.md. `npm run conformance` */
import { writeFileSync } from 'node:fs';
import { CONFORMANCE_FILE, formatConformanceFile } from '../test/support/conformance.js';

writeFileSync(CONFORMANCE_FILE, await formatConformanceFile());
