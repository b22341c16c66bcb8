// An engine that a device kills: it dies while it loads on webgpu, unless it is told to avoid that, or set to something else.
process.on('message', (message) => {
  switch (message.type) {
    case 'load':
      return load(message);
    case 'stats':
      return process.send({ type: 'stats', stats: { rss: 1 } });
    case 'shutdown':
      return process.exit(0);
  }
});
process.on('disconnect', () => process.exit(0));

function load({ spec, avoid }) {
  const device = avoid.some((failed) => failed.device === 'webgpu') ? 'cpu' : 'webgpu';
  process.send({ type: 'progress', progress: { phase: 'loading', device, dtype: 'fp16' } }, () => {
    if (device === 'webgpu' || spec.device === 'webgpu') {
      process.stderr.write('vkCreateDevice: lost\n');
      process.kill(process.pid, 'SIGSEGV');
    }
    const facts = { device, dtype: 'fp32', contextLength: 4096, pid: process.pid };
    process.send({
      type: 'loaded',
      report: { instanceId: 'a', loadedAt: new Date().toISOString(), ...facts },
    });
  });
}
