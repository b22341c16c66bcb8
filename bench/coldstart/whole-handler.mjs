// As installed-handler.mjs, with everything imported that the server has and a function leaves out: GraphQL, batches, pages.
import '../../dist/app.module.js';

export { handler } from './installed-handler.mjs';
