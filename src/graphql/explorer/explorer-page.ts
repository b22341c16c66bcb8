/** The three files of the explorer. Strings, so that the build needs no step for assets. */

export const EXPLORER_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Resident: GraphQL</title>
<link rel="stylesheet" href="/graphql/explorer.css">
<script src="/graphql/explorer.js" defer></script>
</head>
<body>
<form id="form">
<label>Operation <textarea id="query" rows="16" spellcheck="false" required></textarea></label>
<label>Variables <textarea id="variables" rows="5" spellcheck="false"></textarea></label>
<p><button id="run">Run (Ctrl+Enter)</button> <button id="stop" type="button" disabled>Stop</button>
<button id="schema" type="button">Schema</button> <output id="status"></output></p>
</form>
<pre id="result" aria-live="polite"></pre>
</body>
</html>
`;

export const EXPLORER_STYLE = `body { font: 16px/1.4 system-ui, sans-serif; margin: 1rem auto; max-width: 60rem; padding: 0 1rem }
textarea, pre { box-sizing: border-box; width: 100%; font: 14px/1.4 ui-monospace, monospace }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border-top: 1px solid #999; padding-top: 1rem }
@media (prefers-color-scheme: dark) { body, textarea { background: #111; color: #eee } }
`;

/** One request for everything: operations of all kinds are sent to the event stream. */
export const EXPLORER_SCRIPT = `'use strict';
const at = (id) => document.getElementById(id);
const EXAMPLE = \`subscription ($input: GenerateInput!) {
  generate(input: $input) {
    text
    finishReason
    usage { promptTokens completionTokens }
  }
}\`;
const SCHEMA = '{ __schema { queryType { ...fields } subscriptionType { ...fields } ' +
  'types { name kind description inputFields { name description type { ...type } } fields { name type { ...type } } } } } ' +
  'fragment fields on __Type { fields { name description args { name type { ...type } } } } ' +
  'fragment type on __Type { name kind ofType { name kind ofType { name kind ofType { name kind } } } }';
let running;

async function run(query, variables) {
  running?.abort();
  const mine = (running = new AbortController());
  at('stop').disabled = false;
  at('result').textContent = '';
  at('status').textContent = 'running';
  const began = performance.now();
  try {
    await receive(query, variables, mine.signal);
    at('status').textContent = Math.round(performance.now() - began) + ' ms';
  } catch (error) {
    if (running === mine) at('status').textContent = mine.signal.aborted ? 'stopped' : String(error);
  } finally {
    if (running === mine) at('stop').disabled = true;
  }
}

async function receive(query, variables, signal) {
  const response = await fetch('/graphql/stream', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query, variables }),
    signal,
  });
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
  if (!response.ok || !isStream) return show(await response.json());
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (rest + value).split('\\n\\n');
    rest = frames.pop();
    for (const frame of frames) {
      const lines = frame.split('\\n');
      if (!lines.includes('event: next')) continue;
      show(JSON.parse(lines.find((line) => line.startsWith('data: ')).slice(6)));
    }
  }
}

function show(result) {
  at('result').append(JSON.stringify(result, null, 2) + '\\n');
}

at('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = at('variables').value.trim();
  try {
    run(at('query').value, text === '' ? undefined : JSON.parse(text));
  } catch (error) {
    at('status').textContent = 'Variables: ' + error.message;
  }
});
at('form').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) at('form').requestSubmit();
});
at('stop').addEventListener('click', () => running?.abort());
at('schema').addEventListener('click', () => run(SCHEMA));
at('query').value = EXAMPLE;
at('variables').value = JSON.stringify({ input: { prompt: 'Once upon a time', maxTokens: 40 } }, null, 2);
`;
