import { describe, expect, it } from 'vitest';
import { DownloadDisplay } from '../../../src/engine/hub/progress-text.js';

const MB = 2 ** 20;

function display(isTTY: boolean, columns = 200) {
  const clock = { ms: 0 };
  const written: string[] = [];
  const logged: string[] = [];
  const shown = new DownloadDisplay(
    { isTTY, columns, write: (text) => written.push(text) },
    (line) => logged.push(line),
    () => clock.ms,
  );
  const download = (name: string, megabytes: number, total = 100): void =>
    shown.show(name, {
      phase: 'downloading',
      file: 'onnx/model.onnx',
      bytes: megabytes * MB,
      totalBytes: total * MB,
    });
  return { clock, written, logged, shown, download };
}

describe('without a terminal', () => {
  it('a line comes at the start, at every tenth, and at the end', () => {
    const { clock, logged, written, shown, download } = display(false);
    for (let megabytes = 0; megabytes <= 100; megabytes++) {
      download('tales', megabytes);
      clock.ms += 20;
    }
    shown.show('tales', { phase: 'loading', device: 'cpu', dtype: 'q8' });
    expect(logged).toHaveLength(11);
    expect(logged[0]).toBe('tales: downloading, 0 bytes of 100 MB, 0%');
    expect(logged[1]).toBe('tales: downloading, 10 MB of 100 MB, 10%, 50 MB/s, 2 s left');
    expect(logged.at(-1)).toBe('tales: downloaded 100 MB in 2.0 s');
    expect(written).toEqual([]);
  });

  it('a slow one is heard of every ten seconds', () => {
    const { clock, logged, download } = display(false);
    for (let i = 0; i <= 30; i++) {
      download('tales', 0);
      clock.ms += 1000;
    }
    expect(logged).toHaveLength(4);
  });

  it('one that stops is told', () => {
    const { logged, shown, download } = display(false);
    download('tales', 30);
    shown.end('tales');
    shown.end('tales');
    expect(logged.at(-1)).toBe('tales: the download ended at 30 MB of 100 MB, 30%');
    expect(logged).toHaveLength(2);
  });

  it('what another process had before does not count as speed', () => {
    const { clock, logged, download } = display(false);
    download('tales', 50);
    clock.ms = 10_000;
    download('tales', 60);
    expect(logged.at(-1)).toBe('tales: downloading, 60 MB of 100 MB, 60%, 1 MB/s, 40 s left');
  });
});

it('the weights are a download of their own, after the configuration that chose them', () => {
  const { clock, logged, shown, download } = display(false);
  for (let megabytes = 0; megabytes <= 10; megabytes++) download('tales', megabytes, 10);
  for (let megabytes = 10; megabytes <= 100; megabytes += 10) download('tales', megabytes);
  clock.ms = 3000;
  shown.end('tales');
  expect(logged.filter((line) => line.includes('of 100 MB'))).toHaveLength(9);
  expect(logged.at(-1)).toBe('tales: downloaded 90 MB in 3.0 s');
});

describe('on a terminal', () => {
  it('there is a bar, which goes when it is done', () => {
    const { clock, logged, written, shown, download } = display(true);
    download('tales', 0);
    clock.ms = 1000;
    download('tales', 25);
    expect(written.at(-1)).toBe(
      '\r\u001B[Ktales [#####               ], 25 MB of 100 MB, 25%, 25 MB/s, 3 s left',
    );
    download('tales', 100);
    shown.show('tales', { phase: 'warming-up' });
    expect(written.slice(-2)).toEqual(['\r\u001B[K', 'tales: downloaded 100 MB in 1.0 s\n']);
    expect(logged).toEqual([]);
  });

  it('that does not know its width there is a line of 79', () => {
    const { written, download } = display(true, 0);
    download('a-model-whose-name-takes-up-more-than-half-of-the-line', 25);
    expect(written.at(-1)).toHaveLength(79 + '\r\u001B[K'.length);
  });

  it('two models share the line, which is never longer than the terminal', () => {
    const { written, download, shown } = display(true, 60);
    download('tales', 10);
    download('encoder', 20);
    expect(written.at(-1)).toContain('tales [##');
    expect(written.every((text) => text.length < 60 + '\r\u001B[K'.length)).toBe(true);
    shown.end('tales');
    expect(written.at(-1)).toContain('encoder [####');
  });
});
