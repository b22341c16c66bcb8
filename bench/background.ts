/**
 * How long does a request wait for its first token while a batch takes all that is left of the machine, and how far does
 * the batch come? `npm run bench:background -- --kinds q8,i8 --rounds 3`
 */
import { parseArgs } from 'node:util';
import { describeBackground, measureBackground } from './background/measure.js';
import { commandLine, wholeNumber } from './support/arguments.js';
import { report } from './support/report.js';
import { KINDS, chooseSubjects } from './throughput/subjects.js';

const { values } = parseArgs({
  options: {
    kinds: { type: 'string', default: KINDS.join(',') },
    model: { type: 'string', default: '135m' },
    rounds: { type: 'string', default: '3' },
    requests: { type: 'string', default: '30' },
  },
});
const rounds = wholeNumber('rounds', values.rounds);
const requests = wholeNumber('requests', values.requests);
const sections: string[] = [];
for (const subject of await chooseSubjects(values.model, values.kinds)) {
  sections.push(`## ${subject.title}\n\n${await measureBackground(subject, rounds, requests)}`);
}
report({
  name: values.model === 'tales' ? 'background-tales' : 'background',
  title: 'First tokens beside a saturating batch',
  command: commandLine('bench:background', process.argv.slice(2)),
  intro: describeBackground(rounds),
  body: sections.join('\n\n'),
});
