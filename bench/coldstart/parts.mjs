// Where a cold start of Resident goes: does what its handler does, one thing after the other, and tells on stdout how long each took, in
// milliseconds. They add up: what an earlier one has imported costs a later one nothing.
const dist = new URL('../../dist/', import.meta.url).href;
const parts = {
  'Node.js starts': performance.timeOrigin + performance.now() - Number(process.env.SPAWNED_AT),
};

/** Of what was timed within the present one. */
let nested = 0;
async function time(name, action) {
  const outer = nested;
  nested = 0;
  const before = performance.now();
  try {
    return await action();
  } finally {
    const total = performance.now() - before;
    parts[name] = (parts[name] ?? 0) + total - nested;
    nested = outer + total;
  }
}

async function timeImports(name, ...specifiers) {
  await time(`imports: ${name}`, async () => {
    for (const specifier of specifiers) await import(specifier);
  });
}

function timeMethod(owner, method, name) {
  const original = owner[method];
  owner[method] = function (...args) {
    return time(name, () => original.apply(this, args));
  };
}

await timeImports('rxjs, reflect-metadata', 'reflect-metadata', 'rxjs', 'rxjs/operators');
await timeImports('Nest', '@nestjs/common', '@nestjs/core');
await timeImports('Express', 'express', '@nestjs/platform-express');
await timeImports('zod, yaml, cron', 'zod', 'yaml', 'cron');
await timeImports('Resident, the doors', `${dist}lambda/index.js`, `${dist}lambda/create-lambda-app.js`);
await timeImports('ONNX Runtime', 'onnxruntime-node');
await timeImports('Transformers.js, with sharp', '@huggingface/transformers');
await timeImports(
  'Resident, the engine',
  `${dist}engine/process/engine-host.js`,
  `${dist}engine/loading/load-model.js`,
);

const { AutoModelForCausalLM, AutoTokenizer } = await import('@huggingface/transformers');
const { InferenceSession } = await import('onnxruntime-node');
timeMethod(AutoTokenizer, 'from_pretrained', 'tokenizer');
timeMethod(AutoModelForCausalLM, 'from_pretrained', "model's files, and the graph from its cache");
timeMethod(InferenceSession, 'create', 'session');
timeMethod(InferenceSession.prototype, 'run', 'first passes: the model is tried out');

const { createHandler, loadLambdaConfig } = await import(`${dist}lambda/index.js`);
const config = await time('configuration', () => loadLambdaConfig());
const handler = createHandler({ config });
await time('Nest wires; the rest of the load', () => handler.start());
await time('answer', () => handler(JSON.parse(process.env.EVENT)));
process.stdout.write(JSON.stringify(parts));
process.exit(0);
