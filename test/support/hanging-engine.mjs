// An engine that loads at once and never comes back from its first step, as a native run that hangs.
process.on('message', ({ type }) => {
  if (type === 'load') {
    const report = {
      instanceId: 'x',
      loadedAt: '',
      device: 'cpu',
      dtype: 'q8',
      contextLength: 8,
      pid: process.pid,
    };
    process.send({ type: 'loaded', report });
  }
  if (type === 'generate') for (;;);
});
process.on('disconnect', () => process.exit(0));
