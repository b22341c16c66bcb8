import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';

/** To be raised whenever the same model would be rewritten otherwise: older entries are then left alone. */
export const REWRITER_VERSION = 1;

/** What is remembered of a rewritten graph besides its bytes. */
const noteSchema = z.object({
  layers: z.array(z.object({ kvHeads: z.number(), headDim: z.number() })),
  vocabSize: z.number(),
  quantizedOps: z.array(z.string()),
  /** Names of the files with weights, beside the model file. */
  weightFiles: z.array(z.string()),
});

export interface RewrittenGraph extends Readonly<z.infer<typeof noteSchema>> {
  /** The model without its large weights. */
  readonly bytes: Uint8Array;
}

const DIGEST_BYTES = 32;

/** Rewritten graphs in a folder, by content and name of the model file. The folder may be shared by processes, deleted or read-only. */
export class GraphCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Where the graph of a model file in one form is kept. Reads the entire file: about a second for 1 to 2 GB. */
  async pathFor(modelFile: string, form: string): Promise<string> {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(modelFile, { highWaterMark: 2 ** 20 }))
      hash.update(chunk as Buffer);
    // the graph names its file of weights
    hash.update(basename(modelFile));
    return join(this.#folder, `${hash.digest('hex')}-${form}-v${REWRITER_VERSION}.graph`);
  }

  /** `undefined` where there is none, or what is there is damaged. */
  async read(path: string): Promise<RewrittenGraph | undefined> {
    try {
      const entry = await readFile(path);
      const content = entry.subarray(DIGEST_BYTES);
      if (!digest(content).equals(entry.subarray(0, DIGEST_BYTES))) return undefined;
      const noteEnd = 4 + content.readUInt32LE(0);
      const note = noteSchema.parse(JSON.parse(content.toString('utf8', 4, noteEnd)));
      return { ...note, bytes: content.subarray(noteEnd) };
    } catch {
      return undefined;
    }
  }

  /** Keeps a graph; where that isn't possible, nothing happens: it can be made again. */
  async write(path: string, { bytes, ...rest }: RewrittenGraph): Promise<void> {
    const note = Buffer.from(JSON.stringify(rest));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(note.length);
    const content = Buffer.concat([length, note, bytes]);
    // others may write the same entry: each writes its own file, and the last one renamed stays
    const temporary = `${path}.${randomUUID()}`;
    try {
      await mkdir(this.#folder, { recursive: true });
      await writeFile(temporary, Buffer.concat([digest(content), content]));
      await rename(temporary, path);
    } catch {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  }
}

function digest(content: Buffer): Buffer {
  return createHash('sha256').update(content).digest();
}
