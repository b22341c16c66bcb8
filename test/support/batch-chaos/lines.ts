import { readFileSync } from 'node:fs';

/** What a batch of a round says, and what is right to answer. */
export interface RoundLines {
  readonly prompts: readonly string[];
  readonly maxTokens: number;
  /** @param prompt of a line; its text, whoever answers it */
  readonly answer: (prompt: string) => string;
}

/** For the scripted engine: it answers with what it was asked. */
export function scriptedLines(round: string, count: number): RoundLines {
  return {
    prompts: Array.from({ length: count }, (_, i) => `${round} line ${i + 1}`),
    maxTokens: 200,
    answer: (prompt) => ` ${prompt.length}:${prompt}`,
  };
}

/** OpenAI's lines of a batch. */
export function formatLines({ prompts, maxTokens }: RoundLines): string {
  return prompts
    .map((prompt, i) => {
      const body = { model: 'tales', prompt, max_tokens: maxTokens, temperature: 0 };
      return `${JSON.stringify({ custom_id: customId(i), method: 'POST', url: '/v1/completions', body })}\n`;
    })
    .join('');
}

interface OutputLine {
  readonly custom_id: string;
  readonly error: unknown;
  readonly response: {
    readonly status_code: number;
    readonly body: { readonly choices: readonly { readonly text: string }[] };
  } | null;
}

/** What is wrong with an output file; nothing: every line is there once, in order, with the right answer. */
export function findProblems(file: string, { prompts, answer }: RoundLines): string[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  const problems: string[] = [];
  if (lines.pop() !== '') problems.push('the last line of the output is cut');
  if (lines.length !== prompts.length)
    problems.push(`${lines.length} lines of output for ${prompts.length} of input`);
  for (const [i, line] of lines.entries()) {
    const { custom_id, error, response } = JSON.parse(line) as OutputLine;
    if (custom_id !== customId(i)) problems.push(`line ${i + 1} of the output is '${custom_id}'`);
    const text = response?.body.choices[0]?.text;
    const right = answer(prompts[i] ?? '');
    if (error !== null || response?.status_code !== 200 || text !== right)
      problems.push(`line ${i + 1} is ${line}, not '${right}'`);
  }
  return problems;
}

function customId(index: number): string {
  return `line-${index + 1}`;
}
