import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { withLock } from '../../../src/engine/hub/cache-lock.js';
import { openHubModel, type HubModel } from '../../../src/engine/hub/hub-model.js';
import { startHub, type LocalHub } from '../../support/hub.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { QUICK, SMALL_MODEL } from './small-model.js';

const WEIGHTS = 'onnx/model_quantized.onnx';
const BIG = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) % 253));

/** Only root may mount: for `skipIf`, with the reason in the name. */
const canMount = (() => {
  const folder = '/tmp/resident-can-mount';
  try {
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
})();

let hub: LocalHub;
beforeEach(async () => {
  hub = await startHub('someone/small', { ...SMALL_MODEL, [WEIGHTS]: BIG });
});
afterEach(() => hub.close());

function open(cacheDir: string): Promise<HubModel> {
  return openHubModel(
    { id: 'someone/small', revision: 'main' },
    { endpoint: hub.url, cacheDir },
    () => undefined,
    QUICK,
  );
}

/** A disk of so many kilobytes. */
function mountDisk(kilobytes: number): string {
  const folder = temporaryFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', folder]);
  onTestFinished(() => void execFileSync('umount', [folder]));
  return folder;
}

describe.skipIf(!canMount)('on a small disk (needs the right to mount one)', () => {
  it('what does not fit is not begun', async () => {
    const disk = mountDisk(200);
    const model = await open(disk);
    await expect(model.fetch('q8')).rejects.toMatchObject({
      code: 'disk_full',
      message: expect.stringMatching(
        /^The disk of \S+small is full: 293 KB are still to be downloaded, and 1\d\d KB are free\. Free some space, or set hub\.cacheDir/,
      ) as string,
    });
    expect(hub.requests.filter(({ file }) => file === WEIGHTS)).toEqual([]);
  });

  it('one that fills up meanwhile keeps what came, and the next try goes on there', async () => {
    const disk = mountDisk(500);
    const model = await open(disk);
    const filler = join(disk, 'somebody-elses');
    hub.script = ({ cdn, file }) => {
      // between the look at the disk and the first byte
      if (cdn && file === WEIGHTS) {
        const { bavail, bsize } = statfsSync(disk);
        writeFileSync(filler, Buffer.alloc(bavail * bsize - 100_000));
      }
      return undefined;
    };
    await expect(model.fetch('q8')).rejects.toMatchObject({
      code: 'disk_full',
      message: expect.stringContaining('what has been downloaded is kept') as string,
    });
    rmSync(filler);
    hub.script = () => undefined;
    hub.requests.length = 0;
    await model.fetch('q8');
    const [range] = hub.requests.filter(({ cdn }) => cdn).map((request) => request.range);
    expect(Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1])).toBeGreaterThan(50_000);
    expect(model.fetched.has('q8')).toBe(true);
  });

  it('one without room for a lock is left without half of one', async () => {
    const disk = mountDisk(64);
    const { bavail, bsize } = statfsSync(disk);
    mkdirSync(join(disk, '.resident'));
    writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize));
    await expect(withLock(disk, () => Promise.resolve())).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(readdirSync(join(disk, '.resident'))).toEqual([]);
  });

  it('one that is read-only by now is good enough for what is complete, and no more', async () => {
    const disk = mountDisk(1000);
    await (await open(disk)).fetch('q8');
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    const model = await open(disk);
    await model.fetch('q8');
    model.hold()();
    await expect(model.fetch('fp32')).rejects.toMatchObject({
      code: 'cache_not_writable',
      message: expect.stringMatching(
        /can't be written to \(EROFS.* are to be stored in .*hub\.cacheDir/,
      ) as string,
    });
  });
});

it('a cache folder that can be none is an error with a remedy', async () => {
  const folder = temporaryFolder({ cache: 'a file' });
  await expect(open(join(folder, 'cache'))).rejects.toMatchObject({
    code: 'cache_not_writable',
    message: expect.stringMatching(
      /The cache folder can't be written to .*Give this user write access/,
    ) as string,
  });
  expect(readdirSync(folder)).toEqual(['cache']);
});
