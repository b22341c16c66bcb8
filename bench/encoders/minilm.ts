import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WeightKind } from '../model/graph-builder.js';
import { seededRandom, wholeBetween } from '../support/seeded-random.js';
import { vocabularyWord, wordCount, writeBertFolder } from './bert-files.js';
import type { BertShape } from './bert-graph.js';

/** Part of the path: a generator that writes something else gets another number. */
const GENERATOR_VERSION = 1;
const cacheFolder = fileURLToPath(new URL('../models', import.meta.url));

/** As all-MiniLM-L6-v2. */
const MINILM: BertShape = {
  hidden: 384,
  layers: 6,
  heads: 12,
  intermediate: 1536,
  vocab: 30_000,
  context: 512,
};

/** A model folder of this shape with random weights, made once, then kept in `bench/models`. @returns the folder */
export async function ensureMiniLm(kind: WeightKind): Promise<string> {
  const folder = join(cacheFolder, `encoders-v${GENERATOR_VERSION}`, `minilm-${kind}`);
  if (existsSync(folder)) return folder;
  process.stderr.write(`making minilm-${kind} ...\n`);
  // under another name first: what was interrupted is never taken for the whole
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(dirname(folder), { recursive: true });
  try {
    await writeBertFolder(unfinished, MINILM, kind);
    await rename(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return folder;
}

/** Random texts of random lengths. */
export function writeTexts(seed: string, count: number, [least, most]: readonly [number, number]): string[] {
  const random = seededRandom(seed);
  const words = wordCount(MINILM.vocab);
  return Array.from({ length: count }, () => {
    // two special tokens come around them
    const length = wholeBetween(random, least, most) - 2;
    return Array.from({ length }, () => vocabularyWord(wholeBetween(random, 0, words - 1))).join(' ');
  });
}
