import type { NodeProto } from '../proto/index.js';
import type { ProbeTensor } from './tensor.js';

/** Computes a node's outputs from its inputs (`undefined`: left out). Throws where it can't. */
export type Operator = (
  node: NodeProto,
  inputs: readonly (ProbeTensor | undefined)[],
) => readonly ProbeTensor[];

export type Operators = Readonly<Record<string, Operator>>;
