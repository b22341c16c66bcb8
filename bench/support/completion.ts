/** What a server answered to `POST /v1/completions`. */
export interface Completion {
  readonly text: string;
  readonly tokens: number;
}

interface CompletionAnswer {
  readonly choices: readonly { readonly text: string }[];
  readonly usage: { readonly completion_tokens: number };
}

/**
 * Runs one greedy completion.
 * @param ignoreEos it goes on to its full length, whatever the model says
 */
export async function complete(
  url: string,
  prompt: string,
  maxTokens: number,
  ignoreEos = false,
): Promise<Completion> {
  const answer = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'tales',
      prompt,
      temperature: 0,
      max_tokens: maxTokens,
      ignore_eos: ignoreEos,
    }),
  });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  const { choices, usage } = (await answer.json()) as CompletionAnswer;
  return { text: choices[0]?.text ?? '', tokens: usage.completion_tokens };
}
