// An engine that takes longer to load than a test allows: without a word, or telling how much of a download is there.
const TELLS = 40;
const EVERY_MS = 30;

process.on('message', ({ type, spec }) => {
  if (type === 'shutdown') process.exit(0);
  if (type !== 'load') return;
  process.stderr.write('loading\n');
  // the channel keeps it running
  if (spec.source === 'silent') return;
  let bytes = 0;
  const timer = setInterval(() => {
    if (++bytes > TELLS) {
      clearInterval(timer);
      const facts = { device: 'cpu', dtype: 'q8', contextLength: 8, pid: process.pid };
      process.send({ type: 'loaded', report: { instanceId: 'slow', loadedAt: '', ...facts } });
    } else
      process.send({
        type: 'progress',
        progress: { phase: 'downloading', file: 'a', bytes, totalBytes: TELLS },
      });
  }, EVERY_MS);
});
process.on('disconnect', () => process.exit(0));
