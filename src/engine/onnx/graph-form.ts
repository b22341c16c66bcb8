import type { AttentionSite } from './attention-site.js';
import type { CacheLayer } from './cache-layers.js';
import type { FloatType, GraphView } from './graph-view.js';
import type { Changes } from './last-token.js';
import type { NodeSink } from './node-sink.js';
import { int, type NodeProto, type ValueInfoProto } from './proto/index.js';

/** Where a rewritten graph finds the KV cache, and how many rows share a pass. */
export interface GraphForm {
  /** Part of the names of cached graphs. */
  readonly name: string;
  /**
   * Writes the attention of all layers.
   * @returns nodes besides those of the sites that are not needed any more
   * @throws Unrecognised where one can't be written in this form
   */
  attend(sites: readonly AttentionSite[], sink: NodeSink, view: GraphView): ReadonlySet<NodeProto>;
  /** Picks each row's last token of a value. @returns its name */
  pickLast(value: string, sink: NodeSink): string;
  /** Changes how the last tokens are projected onto the vocabulary. */
  project(view: GraphView, sink: NodeSink, changes: Changes): void;
  /** Adds what is computed of the logits, `[.., vocabSize]`, besides them. */
  conclude(sink: NodeSink, logits: { readonly vocabSize: number; readonly opset: number }): void;
  inputs(layers: readonly CacheLayer[]): ValueInfoProto[];
  outputs(layers: readonly CacheLayer[], vocabSize: number): ValueInfoProto[];
}

/**
 * Converts values to one element type: under `name` if that is given, otherwise itself where it has that type already. What is
 * asked for twice, as rotary tables are, is converted once.
 */
export type Convert = (value: string, from: FloatType, name?: string) => string;

export function converter(sink: NodeSink, target: FloatType): Convert {
  const known = new Map<string, string>();
  const cast = (value: string, output?: string) =>
    sink.add('Cast', [value], { attributes: { to: int(target) }, output });
  return (value, from, name) => {
    if (name !== undefined)
      return from === target ? sink.add('Identity', [value], { output: name }) : cast(value, name);
    if (from === target) return value;
    const converted = known.get(value) ?? cast(value);
    known.set(value, converted);
    return converted;
  };
}

/** Gives a value of type `from` that `make` emits the type and the name under which other nodes know it. */
export function nameAs(
  sink: NodeSink,
  { from, to, name }: { from: FloatType; to: FloatType; name: string },
  make: (output?: string) => string,
): void {
  if (from === to) make(name);
  else sink.add('Cast', [make()], { attributes: { to: int(to) }, output: name });
}
