import { pipeline } from '@huggingface/transformers';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/index.js';
import { post, startApp, testConfig, type TestApp } from '../support/app.js';

const FOLDER = fileURLToPath(new URL('../../models/encoder', import.meta.url));
const DIMENSIONS = 320;

let app: TestApp;

beforeAll(async () => {
  const shipped = loadConfig({}).models.filter(({ name }) => name === 'encoder');
  app = await startApp(testConfig(shipped.map((model) => ({ ...model, threads: 1 }))));
});

afterAll(() => app.close());

async function embed(input: string | readonly string[]): Promise<number[][]> {
  const { status, body } = await post(`${app.url}/v1/embeddings`, { model: 'encoder', input });
  expect({ status, error: body['error'] }).toEqual({ status: 200, error: undefined });
  return (body['data'] as { embedding: number[] }[]).map(({ embedding }) => embedding);
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, i) => sum + value * (b[i] as number), 0);

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, gap: number): void {
  expect(actual).toHaveLength(expected.length);
  for (let i = 0; i < expected.length; i++)
    expect(Math.abs((actual[i] as number) - (expected[i] as number))).toBeLessThan(gap);
}

/** A question, and the text that answers it. */
const NOTES: readonly (readonly [string, string])[] = [
  ['how to make tea', 'Pour boiling water over the leaves, wait four minutes, and add milk or lemon.'],
  ['the cat is ill', 'A veterinarian should look at a pet that refuses its food for two days.'],
  ['fix a broken window', 'Take out the splinters of glass, measure the frame, and put in a new pane.'],
  [
    'winter in Norway',
    'In the far north the sun does not rise from November to January, and snow lies deep.',
  ],
  ['who wrote Hamlet', 'Shakespeare finished the tragedy of the Danish prince about the year 1600.'],
  ['price of petrol', 'Fuel has become dearer since the refinery cut its production last month.'],
  ['learn to swim', 'Beginners practise breathing and floating in shallow water before the first strokes.'],
  ['open a savings account', 'The bank needs an identity card and a first deposit of ten dollars.'],
  ['bees and honey', 'Workers carry nectar from flowers to the hive, where it is dried and stored in combs.'],
  [
    'delete old files',
    'Free space on the disk by removing documents and downloads that nobody needs any more.',
  ],
  ['a train that was late', 'The railway apologises: the express arrived two hours behind its timetable.'],
  ['planting potatoes', 'Lay the tubers in a furrow in April, cover them with soil, and water them well.'],
  ['war and peace talks', 'After months of fighting the two governments agreed to a truce and sent envoys.'],
  ['the doctor and the fever', 'The physician took her temperature and prescribed rest and a medicine.'],
  ['children at school', 'Pupils sat in the classroom while their teacher wrote the lesson on the board.'],
  ['sailing round the world', 'The ship crossed three oceans and came back to its harbour after two years.'],
  ['election of a president', 'Voters chose a new head of state; the ballots were counted overnight.'],
  ['song of a bird', 'The nightingale sang in the tree until the morning came.'],
  ['how stars are born', 'Clouds of gas in space collapse under gravity until they begin to shine.'],
  ['the thief was caught', 'Police arrested a man who had robbed a jewellery shop.'],
];

describe('the embedded encoder', () => {
  it('is small enough for the repository', () => {
    const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).map((name) =>
      join(FOLDER, name),
    );
    const bytes = files
      .map((file) => statSync(file))
      .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
    expect(bytes).toBeLessThan(10e6);
  });

  it('makes vectors of length 1, the same whatever case a text is in', async () => {
    const [one, two, shouted] = await embed(['The sun is shining.', '?', 'THE SUN IS SHINING.']);
    for (const vector of [one, two]) {
      expect(vector).toHaveLength(DIMENSIONS);
      expect(Math.hypot(...(vector ?? []))).toBeCloseTo(1, 5);
    }
    expectClose(shouted ?? [], one ?? [], 1e-6);
  });

  it.each([
    ['A man is playing a guitar.', 'Someone plays a guitar.', 'The stock market fell on Monday.'],
    ['The boy was afraid of the dark.', 'The kid was scared of darkness.', 'The dark coat was expensive.'],
    ['How do I change my password?', 'I want to reset my password', 'How do I change a tyre?'],
    ['Ten people died in the crash.', '10 killed in accident', 'Ten people won the lottery.'],
    ['Her automobile is fast.', 'Her car is quick.', 'Her cake is sweet.'],
  ])('%s: %s is nearer than: %s', async (text, near, far) => {
    const [a = [], b = [], c = []] = await embed([text, near, far]);
    expect(dot(a, b)).toBeGreaterThan(dot(a, c) + 0.1);
  });

  it('finds the text that answers a question', async () => {
    const questions = await embed(NOTES.map(([question]) => question));
    const answers = await embed(NOTES.map(([, answer]) => answer));
    const found = questions.map((question, i) => {
      const scores = answers.map((answer) => dot(question, answer));
      return scores.filter((score) => score > (scores[i] as number)).length;
    });
    expect(found.filter((better) => better === 0).length).toBeGreaterThanOrEqual(14);
    expect(found.filter((better) => better < 3).length).toBeGreaterThanOrEqual(18);
  });

  it('is what Transformers.js makes of the same files', async () => {
    const extract = await pipeline('feature-extraction', FOLDER, { dtype: 'q8' });
    const texts = [...NOTES.flat().slice(0, 12), ' ', 'café — “naïve” 漢字 x'.repeat(3)];
    const vectors = await embed(texts);
    for (const [i, text] of texts.entries()) {
      const { data } = await extract(text, { pooling: 'mean', normalize: true });
      expectClose(vectors[i] ?? [], data as Float32Array, 1e-5);
    }
  });

  it('gives a text the same vector alone and in a batch', async () => {
    const texts = NOTES.map(([, answer], i) => `${answer} `.repeat(1 + (i % 5)));
    const together = await embed(texts);
    for (const [i, text] of texts.entries())
      expectClose((await embed(text))[0] ?? [], together[i] ?? [], 1e-5);
  });

  it('takes texts of up to 512 tokens, and still knows what they are about', async () => {
    const [, sailing] = NOTES[15] as readonly [string, string];
    const long = `${sailing} `.repeat(24);
    const [vector = [], short = [], other = []] = await embed([long, sailing, NOTES[0]?.[1] ?? '']);
    expect(dot(vector, short)).toBeGreaterThan(dot(vector, other) + 0.3);
    const { status, body } = await post(`${app.url}/v1/embeddings`, {
      model: 'encoder',
      input: `${sailing} `.repeat(40),
    });
    expect(status).toBe(400);
    expect(body['error']).toMatchObject({ code: 'context_length_exceeded' });
  });
});
