/**
 * What is it worth to keep a model resident? A load per request, a pipeline in module scope, and Resident, side by side:
 * `npm run bench:reload -- --rounds 3`
 */
import { parseArgs } from 'node:util';
import { PromptWriter } from './load/prompts.js';
import { drawFigures, formatFacts, formatFigures } from './reload/figures.js';
import { measureRound, NEW_TOKENS, PROBE_EVERY_MS, PROMPT_TOKENS, type Round } from './reload/measure.js';
import { SYSTEMS, SYSTEM_NAMES, type SystemName } from './reload/systems.js';
import { commandLine, wholeNumber } from './support/arguments.js';
import { startBusyMeter } from './support/machine.js';
import { plural } from './support/plural.js';
import { keepResult, report } from './support/report.js';
import { chooseSubjects } from './throughput/subjects.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'tales' },
    rounds: { type: 'string', default: '3' },
  },
});
const rounds = wholeNumber('rounds', values.rounds);
// of the larger model the weights that most models of the hub have
const [subject] = await chooseSubjects(values.model, 'i8');
if (!subject) throw new Error('there is no model to measure');
const { folder } = subject;
const prompts = PromptWriter.forModel(folder);
const measured: Record<SystemName, Round[]> = { reload: [], singleton: [], resident: [] };
const machineBusy = startBusyMeter();
for (let round = 1; round <= rounds; round++) {
  for (const name of SYSTEM_NAMES) {
    process.stderr.write(`${SYSTEMS[name].label}: round ${round} of ${rounds}\n`);
    measured[name].push(await measureRound(name, folder, prompts, round));
  }
}
const busy = machineBusy();

const name = values.model === 'tales' ? 'reload' : `reload-${values.model}`;
const model = values.model === 'tales' ? 'embedded model, 10M parameters in 8 bits' : subject.title;
keepResult(`${name}.svg`, drawFigures(measured, `Completions of ${NEW_TOKENS} tokens: ${model}`));
report({
  name,
  title: 'What keeping a model resident is worth',
  command: commandLine('bench:reload', process.argv.slice(2)),
  intro: [
    `Greedy completions of ${NEW_TOKENS} tokens after prompts of ${PROMPT_TOKENS}, over HTTP (${model}).`,
    '**Reload per request** makes a Transformers.js pipeline for each request, in the process that answers HTTP, and releases it after',
    'it; **module global** keeps one in module scope (`bench/naive-server.ts`); **Resident** is the server as it is shipped, its engine a process of its own.',
    `Each round starts each system in turn, ${plural(rounds, 'round')}: the first answer, ${SYSTEMS.resident.requests[1]} requests one after the other (${SYSTEMS.reload.requests[1]} with a load for each), then`,
    `${SYSTEMS.resident.requests[4]} from four clients at a time (${SYSTEMS.reload.requests[4]}). Latencies are percentiles of all requests, the other figures medians of the rounds.`,
    `\`GET /health/live\` is asked every ${PROBE_EVERY_MS} ms meanwhile, timed from when it was due: it waits as long as the event loop stalls. CPU time is that`,
    'of all processes of a system, health checks included. A start is seen within 100 ms. Systems, client and probes share the machine, which was',
    `${(busy * 100).toFixed(0)} % busy over the whole run.`,
  ].join(' '),
  body: [formatFigures(measured), `![The figures as bars](${name}.svg)`, formatFacts(measured)].join('\n\n'),
});
