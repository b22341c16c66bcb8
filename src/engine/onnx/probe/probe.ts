import type { GraphView } from '../graph-view.js';
import { OPERATORS, VAGUE_OPERATORS } from './operators.js';
import { dimsOnly, readTensor } from './read-tensor.js';
import type { ProbeTensor } from './tensor.js';

/** What the values of a graph come to for some inputs, as far as that can be told without its weights. */
export interface Probe {
  /** `undefined` where an operator in the way is not among those that a probe computes. */
  get(value: string): ProbeTensor | undefined;
}

/**
 * Walks a graph, in order, over small inputs. It computes what positions, masks and shapes are made with; weights, and all that
 * comes of them, stay NaN.
 */
export class Prober {
  readonly #view: GraphView;
  readonly #constants = new Map<string, ProbeTensor>();

  constructor(view: GraphView) {
    this.#view = view;
  }

  /** @param given - the values known beforehand: graph inputs, and inner values that are set instead of computed */
  run(given: ReadonlyMap<string, ProbeTensor>): Probe {
    const values = new Map(given);
    for (const node of this.#view.graph.node) {
      const vague = VAGUE_OPERATORS[node.opType];
      const operator = vague ?? OPERATORS[node.opType];
      if (operator === undefined) continue;
      const inputs = node.input.map((name) => values.get(name) ?? this.#constant(name, vague !== undefined));
      if (node.input.some((name, i) => name !== '' && inputs[i] === undefined)) continue;
      try {
        operator(node, inputs).forEach((value, i) => {
          const name = node.output[i];
          if (name !== undefined && name !== '' && !given.has(name)) values.set(name, value);
        });
      } catch {
        // as unknown as an operator that is not listed
      }
    }
    return { get: (name) => values.get(name) ?? this.#constant(name, false) };
  }

  #constant(name: string, dimsSuffice: boolean): ProbeTensor | undefined {
    const known = this.#constants.get(name);
    if (known !== undefined) return known;
    const tensor = this.#view.initializers.get(name);
    if (tensor === undefined) return undefined;
    if (dimsSuffice) return dimsOnly(tensor);
    const read = readTensor(tensor);
    this.#constants.set(name, read);
    return read;
  }
}
