import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeModel } from '../../src/engine/onnx/proto/index.js';
import { dequantise } from '../model/dequantise.js';
import { ensureFloatFolder, ensureModelFolder } from '../model/model-files.js';
import { SHAPE_135M } from '../model/shape.js';

const tales = fileURLToPath(new URL('../../models/tales', import.meta.url));

/** A model whose texts are compared: a folder with float32 and float16 weights. */
export interface TextModel {
  readonly name: string;
  readonly folder: string;
}

/**
 * `tales`, whose 8-bit weights are written out as floats; and `stories260K` where it is.
 * @param golden - folder of that model
 */
export async function textModels(golden: string | undefined): Promise<TextModel[]> {
  const own = await ensureFloatFolder('tales', tales, () =>
    dequantise(decodeModel(readFileSync(join(tales, 'onnx', 'model_quantized.onnx')))),
  );
  const models = [{ name: 'tales', folder: own }];
  if (golden === undefined || !existsSync(golden)) return models;
  const folder = await ensureFloatFolder('stories260K', golden, () =>
    decodeModel(readFileSync(join(golden, 'onnx', 'model.onnx'))),
  );
  return [...models, { name: 'stories260K', folder }];
}

/** The 135M shape with random float16 weights. */
export function speedModel(): Promise<string> {
  return ensureModelFolder('135m', SHAPE_135M, 'fp16');
}
