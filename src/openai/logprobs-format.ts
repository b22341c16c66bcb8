import type { TokenLogprob, TokenLogprobs } from '../engine/types.js';

/** `logprobs` of a text completion: four lists of the same length. */
export function formatCompletionLogprobs(entries: readonly TokenLogprobs[], offset = 0) {
  let end = offset;
  const text_offset = entries.map(({ text }) => {
    const start = end;
    end += text.length;
    return start;
  });
  return {
    tokens: entries.map(({ text }) => text),
    token_logprobs: entries.map(({ logprob }) => logprob),
    // two tokens that read the same (parts of characters) count as the more probable one
    top_logprobs: entries.map(({ top }) =>
      Object.fromEntries(top.toReversed().map(({ text, logprob }) => [text, logprob])),
    ),
    text_offset,
  };
}

/** `logprobs` of a chat completion. */
export function formatChatLogprobs(entries: readonly TokenLogprobs[]) {
  return {
    content: entries.map((entry) => ({ ...formatToken(entry), top_logprobs: entry.top.map(formatToken) })),
    refusal: null,
  };
}

function formatToken({ text, logprob }: TokenLogprob) {
  // a part of a character has no text of its own, and its bytes aren't those of the text
  const bytes = text.includes('\uFFFD') ? null : [...Buffer.from(text)];
  return { token: text, logprob, bytes };
}
