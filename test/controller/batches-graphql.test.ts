import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphqlApiModule } from '../../src/index.js';
import { BatchesService } from '../../src/batch/batches.service.js';
import { startBatchDoors, type BatchDoors } from '../support/batch-doors.js';
import { BatchStory } from '../support/batch-story.js';
import { query, subscribe } from '../support/graphql.js';
import { stream } from '../support/graphql-sse.js';

let doors: BatchDoors;
let story: BatchStory;
beforeAll(async () => {
  doors = await startBatchDoors({
    modules: [GraphqlApiModule.forRoot({ introspection: true, batches: true })],
  });
  story = new BatchStory(doors);
});
afterAll(() => doors.close());

const ask = async (text: string, variables = {}) => (await query(doors.url, text, variables)).body;
const CREATE = 'mutation ($input: CreateBatchInput!) { createBatch(input: $input) { id status } }';

interface Created {
  readonly data: { readonly createBatch: { readonly id: string } };
}

describe('files', () => {
  it('are listed page by page, told one by one, and deleted', async () => {
    const ids = [await story.upload('a'), await story.upload('bc'), await story.upload('d')].toReversed();
    const fields = '{ items { id filename purpose bytes createdAt expiresAt } hasMore }';
    expect(await ask(`{ files(limit: 2, purpose: "batch") ${fields} }`)).toMatchObject({
      data: {
        files: { hasMore: true, items: [{ id: ids[0] }, { id: ids[1], bytes: 2, filename: 'a.jsonl' }] },
      },
    });
    expect(await ask(`{ files(after: "${ids[1]}") ${fields} }`)).toMatchObject({
      data: { files: { hasMore: false, items: [{ id: ids[2], purpose: 'batch' }] } },
    });
    expect(await ask(`mutation { deleteFile(id: "${ids[2]}") { id bytes } }`)).toEqual({
      data: { deleteFile: { id: ids[2], bytes: 1 } },
    });
    expect(await ask(`{ file(id: "${ids[2]}") { id } }`)).toMatchObject({
      errors: [{ extensions: { code: 'file_not_found' } }],
    });
  });

  it.each([
    ['{ files(limit: 0) { hasMore } }', 'invalid_value', 'limit'],
    ['{ files(limit: 101) { hasMore } }', 'invalid_value', 'limit'],
    ['{ files(after: "nobody") { hasMore } }', 'invalid_value', 'after'],
    ['{ batches(after: "nobody") { hasMore } }', 'invalid_value', 'after'],
    ['{ batch(id: "nobody") { id } }', 'batch_not_found', undefined],
    ['mutation { deleteFile(id: "nobody") { id } }', 'file_not_found', undefined],
    ['mutation { cancelBatch(id: "nobody") { id } }', 'batch_not_found', undefined],
  ])('%s is refused as on REST', async (text, code, param) => {
    expect(await ask(text)).toMatchObject({ errors: [{ extensions: { code, ...(param && { param }) } }] });
  });
});

describe('batches', () => {
  it('are made with everything that REST takes', async () => {
    const inputFileId = await story.upload();
    const input = {
      inputFileId,
      endpoint: '/v1/embeddings',
      completionWindow: '2d',
      metadata: [{ key: 'customer', value: 'a' }],
      outputExpiresAfterSeconds: 3600,
    };
    const { data } = (await ask(CREATE, { input })) as unknown as Created;
    const { id } = data.createBatch;
    const fields = `id endpoint status inputFileId inputName completionWindow createdAt expiresAt inProgressAt endedAt
      errors { code } counts { total completed failed } metadata { key value }
      progress { answered rate etaSeconds chunks { open running done } current { firstLine } }`;
    expect(await ask(`{ batch(id: "${id}") { ${fields} } }`)).toMatchObject({
      data: {
        batch: {
          id,
          endpoint: '/v1/embeddings',
          status: 'validating',
          inputFileId,
          inputName: null,
          completionWindow: '2d',
          metadata: input.metadata,
          errors: [],
          counts: { total: 0, completed: 0, failed: 0 },
          progress: { answered: 0, rate: null, etaSeconds: null, chunks: { open: 0 }, current: [] },
        },
      },
    });
    const batch = await doors.app.get(BatchesService).get(id);
    expect(batch.outputExpiresSeconds).toBe(3600);
  });

  it.each([
    ['an unknown file', { inputFileId: 'nobody' }, 'file_not_found', 'inputFileId'],
    ['another endpoint', { endpoint: '/v1/nothing' }, 'invalid_value', 'endpoint'],
    ['a long window', { completionWindow: '31d' }, 'invalid_value', 'completionWindow'],
    ['an early end', { outputExpiresAfterSeconds: 1 }, 'invalid_value', 'outputExpiresAfterSeconds'],
    ['long metadata', { metadata: [{ key: 'a', value: 'b'.repeat(600) }] }, 'invalid_value', 'metadata.a'],
  ])('are refused with %s', async (_, change, code, param) => {
    const input = { inputFileId: await story.upload(), endpoint: '/v1/completions', ...change };
    expect(await ask(CREATE, { input })).toMatchObject({ errors: [{ extensions: { code, param } }] });
  });

  it('are listed with their progress, and cancelled', async () => {
    const made = [await story.create(), await story.create()];
    const { data } = (await ask('{ batches(limit: 2) { items { id progress { answered } } hasMore } }')) as {
      data: { batches: { items: { id: string }[] } };
    };
    expect(data.batches.items.map(({ id }) => id)).toEqual(made.map(({ id }) => id).toReversed());
    expect(await ask(`mutation { cancelBatch(id: "${made[0]?.id}") { status cancellingAt } }`)).toMatchObject(
      {
        data: { cancelBatch: { status: 'cancelling', cancellingAt: expect.any(String) } },
      },
    );
  });
});

describe('subscription batchProgress', () => {
  const WATCH = `subscription ($id: String!) {
    batchProgress(id: $id) { status counts { total completed failed } progress { answered } }
  }`;
  interface Seen {
    readonly batchProgress: { readonly status: string; readonly counts: { readonly completed: number } };
  }

  it('tells each change, and ends with the batch', async () => {
    const own = await startBatchDoors({
      modules: [GraphqlApiModule.forRoot({ introspection: true, batches: true })],
    });
    const ours = new BatchStory(own);
    try {
      const batch = await ours.create();
      const steps = [
        () => ours.begin(batch, 2),
        () => ours.answer(10, 1),
        () => ours.answer(10),
        () => ours.finish(batch),
      ];
      const seen = await subscribe<Seen>(own.url, WATCH, { id: batch.id }, () => void steps.shift()?.());
      expect(seen.map(({ batchProgress }) => batchProgress)).toEqual([
        { status: 'validating', counts: { total: 0, completed: 0, failed: 0 }, progress: { answered: 0 } },
        { status: 'in_progress', counts: { total: 20, completed: 0, failed: 0 }, progress: { answered: 0 } },
        { status: 'in_progress', counts: { total: 20, completed: 9, failed: 1 }, progress: { answered: 10 } },
        {
          status: 'in_progress',
          counts: { total: 20, completed: 19, failed: 1 },
          progress: { answered: 20 },
        },
        { status: 'completed', counts: { total: 20, completed: 19, failed: 1 }, progress: { answered: 20 } },
      ]);
      // one that is over is told once, here over server-sent events
      expect(await stream(own.url, { query: WATCH, variables: { id: batch.id } })).toMatchObject([
        { data: { batchProgress: { status: 'completed' } } },
      ]);
    } finally {
      await own.close();
    }
  });

  it('of nobody is refused', async () => {
    await expect(subscribe<Seen>(doors.url, WATCH, { id: 'nobody' })).rejects.toMatchObject({
      extensions: { code: 'batch_not_found' },
    });
  });

  it('ends when the client has seen enough', async () => {
    const batch = await story.create();
    const seen = await subscribe<Seen>(doors.url, WATCH, { id: batch.id }, () => false);
    expect(seen).toHaveLength(1);
  });
});
