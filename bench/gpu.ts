/**
 * Is a GPU used, is it right, and what is it worth? For a machine with a GPU that WebGPU finds (on Linux: Vulkan and its driver).
 * `npm run bench:gpu -- --golden ../models/stories260K --only texts,speed`; PyTorch is compared where python3 has it.
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { ARRIVALS, PROMPTS, TOKENS, compareTexts, type Agreement } from './gpu/agreement.js';
import { chosenFor, type Choice } from './gpu/chosen.js';
import { speedModel, textModels } from './gpu/models.js';
import { runOutOfMemory, type MemoryFinding } from './gpu/out-of-memory.js';
import { NEW_TOKENS, PROMPT_TOKENS, measureSpeed, type Speed } from './gpu/speed.js';
import { measureTorch, type TorchSpeeds } from './gpu/torch.js';
import { chooseAmong, commandLine } from './support/arguments.js';
import { formatTable } from './support/markdown-table.js';
import { measuredHere, report } from './support/report.js';

const SECTIONS = ['choices', 'texts', 'speed', 'memory'] as const;
const { values } = parseArgs({
  options: { golden: { type: 'string' }, only: { type: 'string', default: SECTIONS.join(',') } },
});
const sections = chooseAmong('only', values.only, SECTIONS);

function nameGpu(): string {
  try {
    const query = ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader'];
    return execFileSync('nvidia-smi', query, { encoding: 'utf8' }).trim();
  } catch {
    return 'a GPU that nvidia-smi does not know';
  }
}

function choiceTable(choices: readonly Choice[]): string {
  return formatTable<Choice>(
    [
      { title: 'model', cell: ({ model }) => model },
      { title: 'device', cell: ({ device }) => device },
      { title: 'dtype', cell: ({ dtype }) => dtype },
      { title: 'why', cell: ({ reasons }) => reasons },
    ],
    choices,
  );
}

function agreementTable(agreements: readonly Agreement[]): string {
  return formatTable<Agreement>(
    [
      { title: 'model', cell: ({ model }) => model },
      { title: 'dtype', cell: ({ dtype }) => dtype },
      { title: 'KV cache', cell: ({ kvCache }) => kvCache },
      { title: 'tokens', cell: ({ dtype }) => String(TOKENS[dtype]), align: 'right' },
      { title: 'as on the CPU at fp32', cell: ({ same }) => `${same} of ${PROMPTS.length}`, align: 'right' },
      {
        title: 'in company as alone',
        cell: ({ sameInCompany }) => `${sameInCompany} of ${ARRIVALS}`,
        align: 'right',
      },
    ],
    agreements,
  );
}

function memoryTable(findings: readonly MemoryFinding[]): string {
  return formatTable<MemoryFinding>(
    [
      { title: 'what', cell: ({ what }) => what },
      { title: 'what happened', cell: ({ happened }) => happened },
    ],
    findings,
  );
}

function speedTable(speeds: readonly Speed[], torch: TorchSpeeds | undefined): string {
  const peer = (batch: number) => torch?.speeds.find((speed) => speed.batch === batch)?.tokensPerSecond;
  const shown = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? '-';
  return formatTable<Speed>(
    [
      { title: 'at a time', cell: ({ batch }) => String(batch), align: 'right' },
      { title: 'Resident, fp16 (tok/s)', cell: (speed) => shown(speed.tokensPerSecond, 0), align: 'right' },
      { title: 'PyTorch (tok/s)', cell: ({ batch }) => shown(peer(batch), 0), align: 'right' },
      {
        title: 'ratio',
        cell: ({ batch, tokensPerSecond }) => `${shown(tokensPerSecond / (peer(batch) ?? NaN), 2)}x`,
        align: 'right',
      },
    ],
    speeds,
  );
}

const measured = measuredHere();
const models = await textModels(values.golden);
const parts: string[] = [];

/** What there is so far: a later section may fail. */
function keep(...added: string[]): void {
  parts.push(...added);
  report({
    name: 'gpu',
    title: 'On a GPU',
    command: commandLine('bench:gpu', process.argv.slice(2)),
    intro: `Through WebGPU, with the models in engine processes of their own, as the server has them. GPU: ${nameGpu()}.`,
    measured,
    body: parts.join('\n\n'),
  });
}

if (sections.includes('choices')) {
  const choices: Choice[] = [];
  for (const { name, folder } of models) choices.push(await chosenFor(name, folder));
  keep('## What `auto` comes to', choiceTable(choices));
}
if (sections.includes('texts')) {
  const agreements: Agreement[] = [];
  for (const model of models) agreements.push(...(await compareTexts(model)));
  keep(
    '## Texts',
    `Greedy tokens of ${PROMPTS.length} prompts against those of the CPU at float32; and of ${ARRIVALS} requests of random length that come and go within two seconds, against those that the prompt gets alone on the GPU.`,
    agreementTable(agreements),
  );
}
if (sections.includes('speed')) {
  const speeds = await measureSpeed(await speedModel());
  const torch = measureTorch();
  keep(
    '## Speed',
    `135M parameters (random weights), ${PROMPT_TOKENS} tokens of prompt, ${NEW_TOKENS} generated, prefill included; medians. Peer: ${torch?.versions ?? 'not there'}, \`generate()\` with as many rows.`,
    speedTable(speeds, torch),
  );
}
if (sections.includes('memory')) {
  keep('## Memory that does not do', memoryTable(await runOutOfMemory(models[0]!.folder)));
}
