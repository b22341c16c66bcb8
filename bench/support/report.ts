import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMachine } from './machine.js';

const folder = fileURLToPath(new URL('../results', import.meta.url));

export interface Report {
  /** Of the file, `bench/results/<name>.md`. */
  readonly name: string;
  readonly title: string;
  /** What measures it again. */
  readonly command: string;
  readonly intro: string;
  readonly body: string;
}

/** Prints the figures and keeps them, with what they were measured on. */
export function report({ name, title, command, intro, body }: Report): void {
  const facts = [
    `- Date: ${new Date().toISOString().slice(0, 10)}`,
    `- Command: \`${command}\``,
    `- Machine: ${describeMachine()}`,
  ];
  const text = [`# ${title}`, facts.join('\n'), intro, body].join('\n\n');
  process.stdout.write(`${text}\n`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.md`), `${text}\n`);
}
