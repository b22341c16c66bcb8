/** A program that fetches a model as an engine process does, for tests that start several and kill some. */
import { openHubModel } from '../../src/engine/hub/hub-model.js';
import type { HubOptions } from '../../src/engine/types.js';

const hub = JSON.parse(process.argv[2] ?? '{}') as HubOptions;
try {
  const model = await openHubModel({ id: 'someone/small', revision: 'main' }, hub, (progress) => {
    process.send?.({ progress });
  });
  await model.fetch('q8');
  process.send?.({ folder: model.folder });
} catch (error) {
  process.send?.({ error: String(error) });
}
process.disconnect();
