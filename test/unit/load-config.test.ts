import { homedir } from 'node:os';
import { isAbsolute, join, relative, resolve } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig, type LoadedConfig } from '../../src/config/load-config.js';
import { TALES } from '../support/models.js';
import { temporaryFolder } from './helpers/temporary-folder.js';
import { thrown } from './helpers/thrown.js';

/** Of what a model's configuration may leave open. */
const MODEL_DEFAULTS = {
  task: 'text-generation',
  device: 'auto',
  dtype: 'auto',
  kvCache: 'auto',
  prefixCache: true,
  backgroundRows: 1,
  backgroundPassMs: 20,
  load: 'await',
  keepAlive: 'always',
} as const;

type Environment = Readonly<Record<string, string>>;

function withFile(yaml: string): string {
  return join(temporaryFolder({ 'my.yaml': yaml }), 'my.yaml');
}

/** The configuration with this file laid over the defaults. */
function load(yaml: string, env: Environment = {}): LoadedConfig {
  return loadConfig({ RESIDENT_CONFIG: withFile(yaml), ...env });
}

function complaint(yaml: string, env: Environment = {}): string {
  return thrown(ConfigError, () => load(yaml, env)).message;
}

describe('what the environment says of the hub', () => {
  it('lays the endpoint and the switch over the file', () => {
    const yaml = 'hub: { endpoint: "https://mirror.example", offline: false }';
    expect(load(yaml, { HF_ENDPOINT: 'https://other.example', HF_HUB_OFFLINE: '1' }).hub).toMatchObject({
      endpoint: 'https://other.example',
      offline: true,
    });
    expect(load(yaml, { HF_HUB_OFFLINE: '0' }).hub).toMatchObject({
      endpoint: 'https://mirror.example',
      offline: false,
    });
    expect(complaint('', { HF_ENDPOINT: 'mirror.example' })).toContain('hub.endpoint (from HF_ENDPOINT)');
  });

  it('holds the token, which a file may not', () => {
    expect(load('', { HF_TOKEN: ' hf_a\n', HF_ACCESS_TOKEN: 'hf_b' }).hub.token).toBe('hf_a');
    expect(load('', { HF_TOKEN: ' ', HF_ACCESS_TOKEN: 'hf_b' }).hub.token).toBe('hf_b');
    expect(load('').hub).not.toHaveProperty('token');
    expect(complaint('hub: { token: hf_a }')).toContain('unknown key hub.token');
  });

  it('shows no token that is none', () => {
    const message = complaint('', { HF_TOKEN: 'two words' });
    expect(message).toContain('HF_TOKEN is no token');
    expect(message).not.toContain('words');
  });

  it('keeps the cache out of the program folder', () => {
    expect(loadConfig({}).hub.cacheDir).not.toContain('node_modules');
  });
});

describe('the defaults', () => {
  it('serve the embedded models on this machine only', () => {
    const config = loadConfig({});
    expect(config.server).toEqual({ host: '127.0.0.1', port: 3000, bodyLimit: '10mb', drainSeconds: 30 });
    expect(config.log).toEqual({ level: 'info' });
    expect(config.models).toEqual([
      { ...MODEL_DEFAULTS, ...TALES },
      expect.objectContaining({ name: 'encoder', task: 'feature-extraction' }),
    ]);
    expect(config.batch.cron).toBe('*/10 * * * * *');
  });

  it('give every path as an absolute one', () => {
    const { models, hub, data, batch } = loadConfig({});
    const paths = [models[0]?.source, hub.cacheDir, data, batch.inbox, batch.outbox, batch.done];
    expect(paths.filter((path) => path === undefined || !isAbsolute(path))).toEqual([]);
    expect([batch.inbox, batch.outbox, batch.done].map((path) => relative(data, path))).toEqual([
      'inbox',
      'outbox',
      'done',
    ]);
  });

  it('keep downloads in the cache directory of the user', () => {
    const xdg = loadConfig({ XDG_CACHE_HOME: '/var/cache/me' });
    expect(xdg.hub.cacheDir).toBe(resolve('/var/cache/me/resident'));
  });

  it.runIf(process.platform === 'linux')('keep downloads below the home folder if nothing says where', () => {
    expect(loadConfig({}).hub.cacheDir).toBe(join(homedir(), '.cache', 'resident'));
  });

  it.each([
    ['always', 'always'],
    ['30s', 30_000],
    ['10m', 600_000],
    ['576h', 2_073_600_000],
  ])('keepAlive %s is %s', (text, value) => {
    const [model] = load(`models: [{ name: a, source: b, load: lazy, keepAlive: ${text} }]`).models;
    expect(model).toMatchObject({ load: 'lazy', keepAlive: value });
  });

  it('fill in what a model leaves open', () => {
    expect(load('models: [{ name: a, source: owner/a }]').models).toEqual([
      { name: 'a', source: 'owner/a', ...MODEL_DEFAULTS },
    ]);
  });
});

describe('a file laid over the defaults', () => {
  it('changes what it names, and nothing beside it', () => {
    const config = load('server: { port: 4000 }\nbatch: { cron: null }');
    const defaults = loadConfig({});
    expect(config).toEqual({
      ...defaults,
      server: { ...defaults.server, port: 4000 },
      batch: { ...defaults.batch, cron: null },
    });
  });

  it('replaces lists as a whole', () => {
    const { models } = load('models: [{ name: a, source: owner/a }, { name: b, source: owner/b }]');
    expect(models.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('may be empty', () => {
    expect(load('# nothing yet\n')).toEqual(loadConfig({}));
  });

  it('may be named relative to the working directory', () => {
    const path = relative(process.cwd(), withFile('log: { level: warn }'));
    expect(loadConfig({ RESIDENT_CONFIG: path }).log.level).toBe('warn');
  });

  it('may put the folders of the batch anywhere', () => {
    const { batch } = load('data: /srv/resident\nbatch: { inbox: /mnt/in, outbox: out/results }');
    expect(batch).toMatchObject({
      inbox: resolve('/mnt/in'),
      outbox: resolve('/srv/resident/out/results'),
      done: resolve('/srv/resident/done'),
    });
  });
});

describe('the environment', () => {
  it('goes before the file, and the file before the defaults', () => {
    const yaml = 'server: { host: 10.0.0.1, port: 4000 }\nlog: { level: warn }\ndata: /srv/file';
    const env = { HOST: '0.0.0.0', PORT: '5000', LOG_LEVEL: 'debug', RESIDENT_DATA: '/srv/env' };
    expect(load(yaml, env)).toMatchObject({
      server: { host: '0.0.0.0', port: 5000, drainSeconds: 30 },
      log: { level: 'debug' },
      data: resolve('/srv/env'),
      batch: { inbox: resolve('/srv/env/inbox') },
    });
    expect(load(yaml, { PORT: '5000' }).server).toMatchObject({ host: '10.0.0.1', port: 5000 });
  });

  it('counts an empty variable as not set', () => {
    const empty = { RESIDENT_CONFIG: '', HOST: '', PORT: '', LOG_LEVEL: '', RESIDENT_DATA: '' };
    expect(loadConfig(empty)).toEqual(loadConfig({}));
  });

  it('takes any port there is', () => {
    fc.assert(
      fc.property(fc.nat(65_535), (port) => {
        expect(loadConfig({ PORT: String(port) }).server.port).toBe(port);
      }),
      { numRuns: 20 },
    );
  });

  it.each(['65536', '-1', '80.5', '3e3', 'http', '0x50', ' 80'])(
    'refuses PORT=%j, and says where it is from',
    (port) => {
      const { message } = thrown(ConfigError, () => loadConfig({ PORT: port }));
      expect(message).toContain(`server.port (from PORT=${port})`);
    },
  );

  it('is named for what else comes from it', () => {
    const { message } = thrown(ConfigError, () => loadConfig({ LOG_LEVEL: 'loud' }));
    expect(message).toContain('log.level (from LOG_LEVEL=loud)');
  });
});

describe('a mistake in the file', () => {
  it.each([
    ['colour: red', 'unknown key colour'],
    ['server: { ports: 80 }', 'unknown key server.ports'],
    ['models: [{ name: a, source: b, dtyp: q8 }]', 'unknown key models[0].dtyp'],
    ['server: { port: http }', 'server.port:'],
    ['server: { port: 80.5 }', 'server.port:'],
    ['server: { bodyLimit: 10 }', 'server.bodyLimit:'],
    ['server: { bodyLimit: 10 mb }', 'server.bodyLimit: must be a size like 10mb'],
    ['server: { drainSeconds: -1 }', 'server.drainSeconds:'],
    ['server:', 'server:'],
    ['log: { level: loud }', 'log.level:'],
    ['models: []', 'models:'],
    ['models: tales', 'models:'],
    ['models: [{ source: b }]', 'models[0].name:'],
    ['models: [{ name: a, source: b, dtype: q9 }]', 'models[0].dtype:'],
    ['models: [{ name: a, source: b, threads: 0 }]', 'models[0].threads:'],
    ['models: [{ name: a, source: b }, { name: a, source: c }]', 'models: has two models of one name'],
    [
      'models: [{ name: a, source: b }, { name: c, source: d, aliases: [a] }]',
      'models: has two models of one name',
    ],
    ['models: [{ name: a, source: b, load: later }]', 'models[0].load:'],
    ['hub: { endpoint: huggingface.co }', 'hub.endpoint:'],
    ['hub: { endpoint: "ftp://example.com" }', 'hub.endpoint:'],
    [
      'hub: { endpoint: "https://me:secret@example.com" }',
      'hub.endpoint: must not hold a user or a password',
    ],
    ['graphql: { introspection: sometimes }', 'graphql.introspection:'],
    ['data: 3', 'data:'],
    ['batch: { cron: every minute }', 'batch.cron: is not a cron expression'],
    ['batch: { cron: "99 * * * *" }', 'batch.cron: is not a cron expression'],
    ['batch: { inbox: "" }', 'batch.inbox:'],
  ])('is named by its key: %s', (yaml, expected) => {
    expect(complaint(yaml)).toContain(expected);
  });

  it.each(['never', '30', '0s', '1.5h', '-1m', '577h', '10 m'])('is a keepAlive of %s', (keepAlive) => {
    expect(complaint(`models: [{ name: a, source: b, keepAlive: ${keepAlive} }]`)).toContain(
      "models[0].keepAlive: must be 'always' or a time like 30s, 10m or 2h, at most 576h",
    );
  });

  it('is named with the file it is in', () => {
    const path = withFile('colour: red');
    expect(() => loadConfig({ RESIDENT_CONFIG: path })).toThrow(path);
  });

  it('is named together with all others', () => {
    const message = complaint('colour: red\nserver: { port: http }\nbatch: { cron: never }');
    for (const key of ['colour', 'server.port', 'batch.cron']) expect(message).toContain(key);
  });
});

describe('a file that is no configuration', () => {
  it('is named if it is missing', () => {
    const path = join(temporaryFolder(), 'none.yaml');
    expect(() => loadConfig({ RESIDENT_CONFIG: path })).toThrow(`${path} can't be read: ENOENT`);
  });

  it('is named if it is a folder', () => {
    const path = temporaryFolder();
    expect(() => loadConfig({ RESIDENT_CONFIG: path })).toThrow(`${path} can't be read: EISDIR`);
  });

  it.each(['a: [', 'a: b: c', '"', 'log: { level: warn }\nlog: { level: info }', '\tserver: 1'])(
    'is named with what is wrong if it is not YAML: %j',
    (yaml) => {
      expect(complaint(yaml)).toMatch(/my\.yaml is not valid YAML: \S/);
    },
  );

  it.each(['- a\n- b', 'just text', '3'])('is named if it holds no keys: %j', (yaml) => {
    expect(complaint(yaml)).toMatch(/my\.yaml must hold keys and values/);
  });
});
