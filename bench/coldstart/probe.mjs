// One cold start: imports the handler that ENTRY names, has it answer EVENT, and tells on stdout when that was done, in milliseconds
// since SPAWNED_AT.
const since = () => performance.timeOrigin + performance.now() - Number(process.env.SPAWNED_AT);
const startedMs = since();
const { handler } = await import(process.env.ENTRY);
const importedMs = since();
const { statusCode, body } = await handler(JSON.parse(process.env.EVENT), {});
const answeredMs = since();
if (statusCode !== 200) throw new Error(`${statusCode}: ${body}`);
const { user, system } = process.cpuUsage();
const rssBytes = process.memoryUsage.rss();
const { text } = JSON.parse(body).choices[0];
process.stdout.write(
  JSON.stringify({ startedMs, importedMs, answeredMs, cpuMs: (user + system) / 1000, rssBytes, text }),
);
process.exit(0);
