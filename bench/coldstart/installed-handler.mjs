// Resident as it is installed: the compiled files, and packages in node_modules.
import { createHandler } from '../../dist/lambda/index.js';

export const handler = createHandler();
