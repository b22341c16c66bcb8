import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { openHubModel, type HubModel } from '../../../src/engine/hub/hub-model.js';
import type { HubOptions } from '../../../src/engine/types.js';
import { startHub, type HubOptions as ServerOptions, type LocalHub } from '../../support/hub.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { QUICK, SMALL_MODEL } from './small-model.js';

let hub: LocalHub;
afterEach(() => hub.close());

async function fetchFrom(
  server: ServerOptions,
  options: Partial<HubOptions> = {},
  { id = 'someone/small', revision = 'main', files = SMALL_MODEL } = {},
): Promise<void> {
  hub = await startHub('someone/small', files, server);
  const model = await openHubModel(
    { id, revision },
    { endpoint: hub.url, cacheDir: temporaryFolder(), ...options },
    () => undefined,
    QUICK,
  );
  await model.fetch('q8');
}

function openSmall(endpoint: string): Promise<HubModel> {
  const options = { endpoint, cacheDir: temporaryFolder() };
  return openHubModel({ id: 'someone/small', revision: 'main' }, options, () => undefined, QUICK);
}

function without(...names: string[]): typeof SMALL_MODEL {
  return Object.fromEntries(Object.entries(SMALL_MODEL).filter(([path]) => !names.includes(path)));
}

describe.each([true, false])('with the API: %s', (api) => {
  it('a model that is not there is one, and the message says that it may be private', async () => {
    await expect(fetchFrom({ api }, {}, { id: 'someone/else' })).rejects.toMatchObject({
      code: 'source_not_found',
      message: expect.stringMatching(
        /^There is no folder 'someone\/else' here, and http:\S+ has no model someone\/else, or a private one.*HF_TOKEN/,
      ) as string,
    });
  });

  it('a private one says the same without a token', async () => {
    await expect(fetchFrom({ api, access: 'private' })).rejects.toMatchObject({ code: 'source_not_found' });
  });

  it('and is there with one', async () => {
    await expect(
      fetchFrom({ api, access: 'private' }, { token: 'secret', trustEndpoint: true }),
    ).resolves.toBeUndefined();
  });

  it('a revision that is not there is named', async () => {
    await expect(fetchFrom({ api }, {}, { revision: 'v9' })).rejects.toMatchObject({
      code: 'source_not_found',
      message: expect.stringContaining("has no revision 'v9'") as string,
    });
  });

  it.each([
    [undefined, 'a token of the account that did.'],
    ['wrong', 'the one that is set has no access'],
  ])('a gated one (token: %s) says where to accept its licence', async (token, said) => {
    await expect(fetchFrom({ api, access: 'gated' }, { token, trustEndpoint: true })).rejects.toMatchObject({
      code: 'access_denied',
      message: expect.stringMatching(
        new RegExp(`accept its licence at http:\\S+/someone/small, and set HF_TOKEN.*${said}`),
      ) as string,
    });
  });

  it.each([
    ['config.json', 'source_not_found'],
    ['tokenizer.json', 'tokenizer_not_found'],
  ])('without %s it is none of ours', async (name, code) => {
    await expect(fetchFrom({ api }, {}, { files: without(name) })).rejects.toMatchObject({ code });
  });

  it('without weights, or those of the dtype, it says what there is', async () => {
    const onnx = Object.keys(SMALL_MODEL).filter((path) => path.startsWith('onnx/'));
    await expect(fetchFrom({ api }, {}, { files: without(...onnx) })).rejects.toMatchObject({
      code: 'weights_not_found',
      message: expect.stringContaining('has no ONNX weights') as string,
    });
    await hub.close();
    await expect(
      fetchFrom({ api }, {}, { files: without('onnx/model_quantized.onnx') }),
    ).rejects.toMatchObject({
      code: 'weights_not_found',
      message: expect.stringContaining("no weights of dtype 'q8'. Available: fp32;") as string,
    });
  });
});

describe('a token', () => {
  it('goes to an endpoint that is trusted, and never to where that sends for content', async () => {
    await fetchFrom({ access: 'gated' }, { token: 'secret', trustEndpoint: true });
    const cdn = hub.requests.filter((request) => request.cdn);
    expect(cdn.length).toBeGreaterThan(0);
    expect(cdn.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    expect(
      hub.requests.filter((request) => !request.cdn && request.authorization !== 'Bearer secret'),
    ).toEqual([]);
  });

  it('does not go to another endpoint than the hub, and the message says so', async () => {
    await expect(fetchFrom({ access: 'gated' }, { token: 'secret' })).rejects.toThrow(
      /HF_TOKEN is set, but http:\S+ isn't told it unless hub\.trustEndpoint is true/,
    );
    expect(hub.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  });

  it('is in no message', async () => {
    const failing = fetchFrom({ access: 'gated' }, { token: 'hf_wrong', trustEndpoint: true });
    await expect(failing).rejects.not.toThrow(/hf_wrong/);
  });
});

it.each([405, 410, 451])('an answer that says nothing of the model (%i) is told as it is', async (status) => {
  hub = await startHub('someone/small', SMALL_MODEL, { api: false });
  hub.script = () => ({ kind: 'status', status });
  await expect(openSmall(hub.url)).rejects.toMatchObject({
    code: 'hub_unreachable',
    message: expect.stringContaining(`it answers with status ${status}. Check the network`) as string,
  });
});

it('a list without an end is none', async () => {
  hub = await startHub('someone/small', SMALL_MODEL);
  let sent = 0;
  const endless = createServer((request, response) => {
    if (!request.url?.startsWith('/api/')) {
      response.writeHead(404).end();
      return;
    }
    const more = (): void => {
      if (response.destroyed) return;
      sent += 2 ** 20;
      response.write(Buffer.alloc(2 ** 20, ' '), more);
    };
    more();
  });
  endless.listen(0, '127.0.0.1');
  await once(endless, 'listening');
  onTestFinished(() => void endless.close());
  const { port } = endless.address() as AddressInfo;
  await expect(openSmall(`http://127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'source_not_found' });
  expect(sent).toBeLessThan(2 ** 27);
});

it('no connection at all is hub_unreachable, with the reason', async () => {
  hub = await startHub('someone/small', SMALL_MODEL);
  await expect(openSmall('http://127.0.0.1:9')).rejects.toMatchObject({
    code: 'hub_unreachable',
    message: expect.stringMatching(
      /someone\/small can't be had from http:\/\/127\.0\.0\.1:9: .+\. Check the network/,
    ) as string,
  });
});
