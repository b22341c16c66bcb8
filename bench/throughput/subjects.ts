import { fileURLToPath } from 'node:url';
import { ensureGguf, ensureModelFolder } from '../model/model-files.js';
import { SHAPE_135M, readShape } from '../model/shape.js';
import { chooseAmong } from '../support/arguments.js';

/** A model that the systems are compared on. */
export interface Subject {
  /** What requests call it. */
  readonly name: string;
  readonly title: string;
  readonly kind: string;
  readonly folder: string;
  /** A model of the same shape for llama.cpp, made if it isn't there. */
  readonly gguf: () => Promise<string>;
}

/** How the weights of the 135M shape are stored. */
export const KINDS = ['q8', 'i8'] as const;
export type Kind = (typeof KINDS)[number];

export const MODELS = ['135m', 'tales'] as const;
export type ModelName = (typeof MODELS)[number];

const TITLES: Readonly<Record<Kind, string>> = {
  q8: 'q8: MatMulNBits, 8 bits, blocks of 32',
  i8: 'i8: DynamicQuantizeMatMul, int8 per column',
};

/** The 135M shape with random weights, in one kind of them; made if it isn't there. */
async function generatedSubject(kind: Kind): Promise<Subject> {
  return {
    name: `135m-${kind}`,
    title: `135M shape, ${TITLES[kind]}`,
    kind,
    folder: await ensureModelFolder('135m', SHAPE_135M, kind),
    gguf: () => ensureGguf('135m', SHAPE_135M),
  };
}

/** The model that comes with Resident. */
function talesSubject(): Subject {
  const folder = fileURLToPath(new URL('../../models/tales', import.meta.url));
  return {
    name: 'tales',
    title: `tales, ${TITLES.q8}`,
    kind: 'tales',
    folder,
    gguf: () => ensureGguf('tales', readShape(folder)),
  };
}

/**
 * The models that the options `--model` and `--kinds` ask for; made if they aren't there.
 * @throws Error naming the option that is wrong
 */
export async function chooseSubjects(model: string, kinds: string): Promise<Subject[]> {
  const [known] = chooseAmong('model', model, MODELS);
  if (known === 'tales') return [talesSubject()];
  const subjects: Subject[] = [];
  for (const kind of chooseAmong('kinds', kinds, KINDS)) subjects.push(await generatedSubject(kind));
  return subjects;
}
