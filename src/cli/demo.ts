/** Shows what residency is worth: the same two requests with the model resident, and with a load for each. */
import 'reflect-metadata';
import { EngineSupervisor } from '../engine/client/engine-supervisor.js';
import { collect } from '../engine/collect.js';
import type { GenerationRequest } from '../engine/types.js';
import { createApp } from '../bootstrap.js';
import { LineRunner } from '../batch/execution/line-runner.js';
import { loadConfig, type LoadedConfig } from '../config/load-config.js';
import { GenerateResolver } from '../graphql/generate.resolver.js';
import { ModelProvider } from '../model/model.provider.js';
import { CompletionsController } from '../openai/completions.controller.js';
import { explainStartFailure } from './explain.js';

const PROMPTS = ['Once upon a time', 'The old king said to his daughter'];

interface Timed<T> {
  readonly value: T;
  readonly ms: number;
}

async function demo(): Promise<void> {
  const config = withoutNoise(loadConfig());
  const requests = PROMPTS.map((text): GenerationRequest => ({
    prompt: { kind: 'text', text },
    maxTokens: 40,
    temperature: 0.7,
    seed: 3,
  }));
  const resident = await runResident(config, requests);
  const reloading = await runReloading(config, requests);
  print('');
  print(
    `Two requests: ${format(resident)} with the model resident, ${format(reloading)} with a load for each.`,
  );
  print(
    `Resident is ${(reloading / resident).toFixed(1)} times as fast here; the ratio grows with the model, not with your code.`,
  );
}

async function runResident(config: LoadedConfig, requests: readonly GenerationRequest[]): Promise<number> {
  heading('Resident: one load, shared through dependency injection');
  const app = await createApp(config);
  try {
    await app.init();
    const provider = app.get(ModelProvider);
    const { name, device, dtype, loadMs = 0 } = provider.describe();
    print(`loaded '${name}' (${device}, ${dtype}) once in ${format(loadMs)}`);
    let total = 0;
    for (const [i, request] of requests.entries()) {
      const { value, ms } = await timed(() => provider.complete(request));
      total += ms;
      print(`request ${i + 1}: ${format(ms)}, instance ${value.instanceId}`);
      print(`  ${quote(PROMPTS[i] + value.text)}`);
    }
    const consumers = {
      controller: app.get(CompletionsController),
      resolver: app.get(GenerateResolver),
      batch: app.get(LineRunner),
    };
    for (const [what, { models }] of Object.entries(consumers))
      print(`the ${what} holds the same provider: ${models === provider}`);
    print(`loads so far: ${provider.describe().loads}`);
    return total;
  } finally {
    await app.close();
  }
}

async function runReloading(config: LoadedConfig, requests: readonly GenerationRequest[]): Promise<number> {
  heading('The same requests, with the model loaded for each');
  const [spec] = config.models;
  let total = 0;
  for (const [i, request] of requests.entries()) {
    const { value, ms } = await timed(async () => {
      const engine = new EngineSupervisor({
        spec: spec as (typeof config.models)[number],
        hub: config.hub,
        log: { info: nothing, warn: nothing, debug: nothing },
      });
      await engine.load();
      const generation = await collect(engine.generate(request, { stream: false }));
      await engine.stop();
      return generation;
    });
    total += ms;
    print(`request ${i + 1}: ${format(ms)}, instance ${value.instanceId}`);
  }
  return total;
}

const nothing = (): void => undefined;

/** One model; the demo prints itself, and leaves the inbox alone. */
function withoutNoise(config: LoadedConfig): LoadedConfig {
  return {
    ...config,
    models: config.models.slice(0, 1),
    log: { level: 'warn' },
    batch: { ...config.batch, cron: null },
  };
}

async function timed<T>(run: () => Promise<T>): Promise<Timed<T>> {
  const start = performance.now();
  const value = await run();
  return { value, ms: performance.now() - start };
}

function format(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function quote(text: string): string {
  return `"${text.replaceAll('\n', ' ')}"`;
}

function heading(text: string): void {
  print(`\n${text}\n${'-'.repeat(text.length)}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

demo().catch((error: unknown) => {
  process.stderr.write(`demo: ${explainStartFailure(error)}\n`);
  process.exit(1);
});
