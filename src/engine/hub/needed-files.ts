import type { ConcreteDtype } from '../types.js';

/** The file name a dtype has in a repository: `onnx/model<suffix>.onnx` (Transformers.js, `utils/dtypes.js`). */
const SUFFIXES: Readonly<Record<ConcreteDtype, string>> = {
  fp32: '',
  fp16: '_fp16',
  q8: '_quantized',
  int8: '_int8',
  uint8: '_uint8',
  q4: '_q4',
  q4f16: '_q4f16',
  q2: '_q2',
  q2f16: '_q2f16',
  q1: '_q1',
  q1f16: '_q1f16',
  bnb4: '_bnb4',
};

export const ALL_DTYPES = Object.keys(SUFFIXES) as ConcreteDtype[];

/** What every model has. */
export const REQUIRED_FILES = ['config.json', 'tokenizer.json'] as const;

/** What a model may have besides: read where it is there. The last four are sentence-transformers'. */
export const OPTIONAL_FILES = [
  'tokenizer_config.json',
  'chat_template.jinja',
  'generation_config.json',
  'modules.json',
  'config_sentence_transformers.json',
  'sentence_bert_config.json',
  '1_Pooling/config.json',
] as const;

const SMALL_FILES: ReadonlySet<string> = new Set([...REQUIRED_FILES, ...OPTIONAL_FILES]);
/** A module of sentence-transformers: `modules.json` may give it another folder than `1_Pooling`. None that leads out of the model's. */
const MODULE_CONFIG = /^\w[\w.-]*\/config\.json$/;

/** The file with a dtype's graph, as a path in the repository. */
export function graphFile(dtype: ConcreteDtype): string {
  return `onnx/model${SUFFIXES[dtype]}.onnx`;
}

/** Whether a file is read by every load, whatever the dtype. */
export function isSmallFile(path: string): boolean {
  return SMALL_FILES.has(path) || MODULE_CONFIG.test(path);
}

/** Whether a file holds the graph or weights of a dtype; weights over 2 GB are beside the graph: `model.onnx_data`, `model.onnx_data_1`. */
export function isWeightsOf(dtype: ConcreteDtype, path: string): boolean {
  const graph = graphFile(dtype);
  return path.startsWith(graph) && /^([_.]data(_\d+)?)?$/.test(path.slice(graph.length));
}

/** The bytes of each dtype that has a graph among these files. */
export function weightsAmong(
  files: readonly { readonly path: string; readonly size: number }[],
): ReadonlyMap<ConcreteDtype, number> {
  const paths = new Set(files.map(({ path }) => path));
  return new Map(
    ALL_DTYPES.filter((dtype) => paths.has(graphFile(dtype))).map((dtype) => [
      dtype,
      files.filter(({ path }) => isWeightsOf(dtype, path)).reduce((sum, { size }) => sum + size, 0),
    ]),
  );
}
