import { Tensor, type InferenceSession } from 'onnxruntime-node';
import type { LayerShape } from '../../../src/engine/models/in-place-memory.js';
import { reader } from './tensors.js';

export const LAYERS: readonly LayerShape[] = [
  { kvHeads: 2, headDim: 2 },
  { kvHeads: 1, headDim: 3 },
];
export const VOCABULARY = 40;

type Read = (...indices: readonly number[]) => number;

interface PlaneReader {
  readonly read: Read;
  readonly shape: LayerShape;
}

/** What the decoder answers behind these tokens: it depends on all of them, and on their order. */
export function logitsBehind(tokens: readonly number[]): number[] {
  let hash = 7;
  for (const token of tokens) hash = (hash * 31 + token + 1) % 10_007;
  return Array.from({ length: VOCABULARY }, (_, i) => (hash * (i + 3)) % 997);
}

/** A token's key and value: the token itself and its position, told apart by layer, kind, head and element. */
function elementOf(token: number, position: number, plane: number, head: number, i: number): number {
  return (token * 512 + position) * 64 + plane * 16 + head * 4 + i;
}

/**
 * An in-place graph in miniature. What a row sees through `mask`, `valid` and `table` it must find in the cache that it is fed
 * with, whole and in order; its logits depend on exactly these tokens. It refuses inputs that don't agree with each other.
 */
export class FakeDecoder implements Pick<InferenceSession, 'run'> {
  /** `[rows, new tokens]` of each pass. */
  readonly shapes: [number, number][] = [];
  /** Throws if the pass is to fail. */
  before: () => void = () => undefined;

  get session(): InferenceSession {
    return this as unknown as InferenceSession;
  }

  run = async (feeds: InferenceSession.OnnxValueMapType): Promise<InferenceSession.OnnxValueMapType> => {
    const inputs = feeds as Record<string, Tensor>;
    const [rows, steps] = inputs['input_ids']?.dims as [number, number];
    this.shapes.push([rows, steps]);
    checkBlocks(inputs, rows);
    const pass = new FakePass(inputs, steps);
    const logits = Array.from({ length: rows }, (_, row) => logitsBehind(pass.visible(row)));
    // whoever reads the inputs later sees what changes meanwhile
    await Promise.resolve();
    this.before();
    return {
      logits: new Tensor('float32', Float32Array.from(logits.flat()), [rows, 1, VOCABULARY]),
      ...deltas(inputs, rows, steps),
    };
  };
}

class FakePass {
  readonly #ids: Read;
  readonly #mask: Read;
  readonly #valid: Read;
  readonly #table: Read;
  readonly #last: Read;
  readonly #planes: readonly PlaneReader[];
  readonly #blockTokens: number;
  readonly #width: number;
  readonly #steps: number;

  constructor(inputs: Record<string, Tensor>, steps: number) {
    this.#steps = steps;
    this.#ids = reader(inputs['input_ids']);
    this.#mask = reader(inputs['mask']);
    this.#valid = reader(inputs['valid']);
    this.#table = reader(inputs['table']);
    this.#last = reader(inputs['last']);
    this.#width = inputs['table']?.dims[1] as number;
    this.#blockTokens = inputs['past_key_values.0.key']?.dims[2] as number;
    this.#planes = eachPlane((shape, name) => ({ shape, read: reader(inputs[`past_key_values.${name}`]) }));
  }

  /** The tokens that a row's last new one sees, in their order. */
  visible(row: number): number[] {
    const last = this.#last(row, 0, 0);
    const past = this.#past(row, last);
    const fresh = Array.from({ length: this.#steps }, (_, i) => i).filter((i) => this.#sees(row, last, i));
    if (fresh.length !== last + 1) throw new Error('a token sees other new ones than those up to itself');
    return [...past, ...fresh.map((i) => this.#ids(row, i))];
  }

  #past(row: number, step: number): number[] {
    const tokens: number[] = [];
    for (let slot = 0; slot < this.#width; slot++) {
      for (let offset = 0; offset < this.#blockTokens; offset++) {
        if (!this.#sees(row, step, this.#steps + slot * this.#blockTokens + offset)) continue;
        if (this.#valid(row, 0, slot) !== 1) throw new Error('a token sees a block that is not its own');
        tokens.push(this.#tokenAt(this.#table(row, slot), offset, tokens.length));
      }
    }
    return tokens;
  }

  #sees(row: number, step: number, column: number): boolean {
    return this.#mask(row, 0, step, column) === 0;
  }

  /** Checks every element of it. */
  #tokenAt(block: number, offset: number, position: number): number {
    const token = Math.floor((this.#planes[0] as PlaneReader).read(block, 0, offset, 0) / 64 / 512);
    for (const [plane, { read, shape }] of this.#planes.entries()) {
      for (let head = 0; head < shape.kvHeads; head++) {
        for (let i = 0; i < shape.headDim; i++) {
          if (read(block, head, offset, i) !== elementOf(token, position, plane, head, i))
            throw new Error(`block ${block} does not hold position ${position} at ${offset}`);
        }
      }
    }
    return token;
  }
}

/** Each block that is fed belongs to one row, and both directions say so. */
function checkBlocks(inputs: Record<string, Tensor>, rows: number): void {
  const [table, valid] = [reader(inputs['table']), reader(inputs['valid'])];
  const [blockRow, blockSlot] = [reader(inputs['block_row']), reader(inputs['block_slot'])];
  const width = inputs['table']?.dims[1] as number;
  const count = inputs['block_row']?.dims[0] as number;
  if (inputs['past_key_values.0.key']?.dims[0] !== count) throw new Error('other blocks than block_row says');
  const owned = new Set<number>();
  for (let row = 0; row < rows; row++) {
    for (let slot = 0; slot < width; slot++) {
      if (valid(row, 0, slot) === 0) continue;
      const block = table(row, slot);
      if (owned.has(block)) throw new Error(`block ${block} belongs to two rows`);
      owned.add(block);
      if (blockRow(block) !== row || blockSlot(block) !== row * width + slot)
        throw new Error(`block ${block} is another row's`);
    }
  }
  // others were reserved and hold nothing yet: no row may look at them
  for (let row = 0; row < rows; row++) {
    for (let slot = 0; slot < width; slot++) {
      if (owned.size > 0 && valid(row, 0, slot) === 1 && !owned.has(table(row, slot)))
        throw new Error('a row looks at a block that is nobody’s');
    }
  }
  if (owned.size > count) throw new Error('a row looks at a block that is not fed');
}

function deltas(inputs: Record<string, Tensor>, rows: number, steps: number): Record<string, Tensor> {
  const [ids, positions] = [reader(inputs['input_ids']), reader(inputs['position_ids'])];
  const named = eachPlane(({ kvHeads, headDim }, name, plane) => {
    const data = new Float32Array(rows * kvHeads * steps * headDim);
    let at = 0;
    for (let row = 0; row < rows; row++) {
      for (let head = 0; head < kvHeads; head++) {
        for (let step = 0; step < steps; step++) {
          for (let i = 0; i < headDim; i++)
            data[at++] = elementOf(ids(row, step), positions(row, step), plane, head, i);
        }
      }
    }
    return [`delta.${name}`, new Tensor('float32', data, [rows, kvHeads, steps, headDim])] as const;
  });
  return Object.fromEntries(named);
}

function eachPlane<T>(visit: (shape: LayerShape, name: string, plane: number) => T): T[] {
  return LAYERS.flatMap((shape, layer) =>
    (['key', 'value'] as const).map((kind, i) => visit(shape, `${layer}.${kind}`, 2 * layer + i)),
  );
}
