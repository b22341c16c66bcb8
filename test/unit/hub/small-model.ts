import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { HubSettings } from '../../../src/engine/hub/hub-model.js';

/** Files in the layout of Transformers.js; nothing can be loaded from them. */
export const SMALL_MODEL: Readonly<Record<string, string | Buffer>> = {
  'README.md': 'Not to be downloaded.',
  'config.json': '{"model_type": "llama"}',
  'generation_config.json': '{}',
  'tokenizer.json': JSON.stringify({ vocab: Array.from({ length: 400 }, (_, i) => `token ${i}`) }),
  'tokenizer_config.json': '{}',
  'model.safetensors': Buffer.alloc(9000, 7),
  'onnx/model.onnx': Buffer.alloc(3000, 1),
  'onnx/model.onnx_data': Buffer.alloc(9000, 2),
  'onnx/model.onnx_data_1': Buffer.alloc(100, 3),
  'onnx/model_quantized.onnx': Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 251)),
  'onnx/decoder_model.onnx': Buffer.alloc(50, 4),
};

/** What a load of its q8 needs. */
export const Q8_FILES = [
  'config.json',
  'generation_config.json',
  'onnx/model_quantized.onnx',
  'tokenizer.json',
  'tokenizer_config.json',
];

/** No test waits for the clock, nor fails because the machine is busy. */
export const QUICK = {
  pace: { stallMs: 15_000, attempts: 4, backoffMs: 1, wait: setTimeout },
  lockTimes: { heartbeatMs: 20, staleMs: 200, pollMs: 10 },
} satisfies HubSettings;

/** What has come of weights that are under way; undefined: none are. */
export function incompleteBytes(cacheDir: string): number | undefined {
  const names = readdirSync(cacheDir, { recursive: true }).map(String);
  const incomplete = names.find((name) => name.includes('onnx') && name.endsWith('.incomplete'));
  return incomplete === undefined
    ? undefined
    : statSync(join(cacheDir, incomplete), { throwIfNoEntry: false })?.size;
}
