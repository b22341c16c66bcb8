// An engine without a model: it answers with what the prompt says, after SCRIPT_LATENCY_MS, and dies of the word POISON.
// Whatever it runs is written to the file SCRIPT_RUNS first, a line each, so that a test can count the runs.
import { appendFileSync } from 'node:fs';

const latency = Number(process.env['SCRIPT_LATENCY_MS'] ?? 0);
/** Share of the latency that it may be shorter or longer: lines that begin together don't end together then. */
const jitter = Number(process.env['SCRIPT_JITTER'] ?? 0);
/** Requests at a time; the others wait. */
const rows = Number(process.env['SCRIPT_ROWS'] ?? 64);
const runs = process.env['SCRIPT_RUNS'];
const instanceId = `scripted-${process.pid}`;
const waiting = [];
const cancelled = new Set();
let running = 0;
let log = '';

process.on('message', (message) => {
  switch (message.type) {
    case 'load':
      return tell({ type: 'loaded', report: report() });
    case 'generate':
      waiting.push(message);
      return next();
    case 'cancel':
      return void cancelled.add(message.id);
    case 'ping':
      return tell({ type: 'pong' });
    case 'shutdown':
      return process.exit(0);
    default:
      return tell({
        type: 'failed',
        id: message.id,
        error: { code: 'task_not_supported', message: 'The script generates, and nothing else.' },
      });
  }
});
process.on('disconnect', () => process.exit(0));

function report() {
  const facts = { device: 'cpu', dtype: 'fp32', contextLength: 4096, pid: process.pid };
  return { instanceId, loadedAt: new Date().toISOString(), ...facts };
}

function next() {
  while (running < rows && waiting.length > 0) {
    const message = waiting.shift();
    if (cancelled.delete(message.id)) continue;
    running++;
    const text = textOf(message.request.prompt);
    note(text);
    if (text.includes('POISON')) {
      flush();
      process.exit(139);
    }
    if (latency === 0) setImmediate(finish, message, text);
    else setTimeout(finish, latency * (1 + jitter * (2 * Math.random() - 1)), message, text);
  }
}

function finish({ id, request, stream }, text) {
  running--;
  if (!cancelled.delete(id)) {
    const answer = ` ${text.length}:${text}`.slice(0, request.maxTokens ?? 16);
    event(id, { type: 'start', instanceId, promptTokens: 3 });
    if (stream) event(id, { type: 'token', token: 1, text: answer });
    event(id, {
      type: 'finish',
      finishReason: 'length',
      text: stream ? '' : answer,
      usage: { promptTokens: 3, cachedTokens: 0, completionTokens: 1 },
    });
  }
  next();
}

function textOf(prompt) {
  if (prompt.kind === 'text') return prompt.text;
  if (prompt.kind === 'chat') return prompt.messages.map(({ content }) => content).join(' ');
  return prompt.tokens.join(' ');
}

/** Many lines at a time: a killed process is counted by what it wrote, so nothing waits longer than a turn. */
function note(text) {
  if (runs === undefined) return;
  if (log === '') setImmediate(flush);
  log += `${text}\n`;
}

function flush() {
  if (log !== '') appendFileSync(runs, log);
  log = '';
}

function event(id, value) {
  tell({ type: 'event', id, event: value });
}

function tell(message) {
  process.send(message);
}
