import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

export const LLAMA_VERSION = '3.22.1';

/** The part of node-llama-cpp that is used here; it isn't a dependency, so its own types are not there. */
export interface LlamaSequence {
  evaluate(
    tokens: readonly number[],
    options: { readonly temperature: number; readonly yieldEogToken: boolean },
  ): AsyncGenerator<number, void, void>;
}

export interface LlamaContext {
  getSequence(): LlamaSequence;
  dispose(): Promise<void>;
}

export interface LlamaModel {
  createContext(options: {
    /** Of one sequence. */
    readonly contextSize: number;
    readonly sequences: number;
    readonly batchSize: number;
    readonly threads: number;
  }): Promise<LlamaContext>;
}

interface NodeLlamaCpp {
  getLlama(options: {
    readonly gpu: false;
    readonly build: 'never';
    readonly logLevel: 'error';
  }): Promise<{ loadModel(options: { readonly modelPath: string }): Promise<LlamaModel> }>;
}

const folder = fileURLToPath(new URL(`../models/node-llama-cpp-${LLAMA_VERSION}`, import.meta.url));
const entry = join(folder, 'node_modules/node-llama-cpp/dist/index.js');

/**
 * Installs node-llama-cpp with its prebuilt binaries, once, beside the generated models: the project doesn't depend on it.
 * @throws Error if npm can't have it
 */
export async function installLlama(): Promise<void> {
  if (existsSync(entry)) return;
  process.stderr.write(`installing node-llama-cpp ${LLAMA_VERSION} ...\n`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
  await promisify(execFile)('npm', [...args, `node-llama-cpp@${LLAMA_VERSION}`], { cwd: folder });
}

export async function loadLlamaModel(modelPath: string): Promise<LlamaModel> {
  const library = (await import(pathToFileURL(entry).href)) as NodeLlamaCpp;
  const llama = await library.getLlama({ gpu: false, build: 'never', logLevel: 'error' });
  return llama.loadModel({ modelPath });
}
