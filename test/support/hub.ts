import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';

export interface HubRequest {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  /** `bytes=12-` */
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly authorization: string | undefined;
  /** The host that has the content of large files. */
  readonly cdn: boolean;
  /** Of the repository; undefined: the request isn't for a file. */
  readonly file: string | undefined;
}

/** What goes wrong with one answer. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The connection breaks behind so many bytes of the body, once this holds; default: at once, and some of them may be lost. */
  | { readonly kind: 'disconnect'; readonly after: number; readonly until?: () => boolean }
  /** Nothing more comes behind so many bytes until this holds; default: never. */
  | { readonly kind: 'stall'; readonly after: number; readonly until?: () => boolean }
  /** As many bytes less as are announced; the connection ends in order. */
  | { readonly kind: 'truncate'; readonly after: number }
  /** As many bytes as there should be, but others. */
  | { readonly kind: 'wrongBytes' }
  /** The whole, whatever range was asked for. */
  | { readonly kind: 'ignoreRange' };

/** What is wrong with the answer to a request; undefined: nothing. */
export type Script = (request: HubRequest) => Fault | undefined;

export interface HubOptions {
  /** Whether there is `/api/models`; false: a mirror that has files only. Default: true. */
  readonly api?: boolean;
  /** Whether ETags are hashes, as the hub's are; false: those of `etags`. Default: true. */
  readonly hashes?: boolean;
  /** What a mirror gives instead: something of its own, nothing, or the SHA-1 of the content. Default: `own`. */
  readonly etags?: 'own' | 'none' | 'sha1';
  /** Who may see it: anybody, whoever has accepted a licence, or its owner. Default: `public`. */
  readonly access?: 'public' | 'gated' | 'private';
  /** What the `Authorization` header must hold for gated and private models. */
  readonly token?: string;
}

export interface LocalHub {
  readonly url: string;
  /** Where large files come from: another port. */
  readonly cdnUrl: string;
  readonly commit: string;
  /** Every request so far. */
  readonly requests: HubRequest[];
  /** To be replaced by a test. */
  script: Script;
  /** Replaces the files of the repository: another commit. */
  push(files: Readonly<Record<string, string | Buffer>>): void;
  /** `GET /owner/name/resolve/main/config.json`, of one host. */
  log(cdn?: boolean): string[];
  close(): Promise<void>;
}

interface StoredFile {
  readonly content: Buffer;
  readonly sha256: string;
  readonly blobId: string;
}

/** Files of so many bytes are in LFS, and come from the CDN. */
const LFS_BYTES = 512;

/**
 * Speaks the file API of the Hugging Face hub for one model: `/api/models/{id}/revision/{revision}`, and `/{id}/resolve/{revision}/{file}`, which
 * sends to another host for large files.
 * @param content a folder, or files by path
 */
export async function startHub(
  id: string,
  content: string | Readonly<Record<string, string | Buffer>>,
  options: HubOptions = {},
): Promise<LocalHub> {
  const hub = new Hub(id, typeof content === 'string' ? filesOf(content) : content, options);
  await hub.listen();
  return hub;
}

class Hub implements LocalHub {
  readonly requests: HubRequest[] = [];
  script: Script = () => undefined;
  commit = '';
  readonly #id: string;
  readonly #options: Required<HubOptions>;
  readonly #server: Server;
  readonly #cdn: Server;
  #files: ReadonlyMap<string, StoredFile> = new Map();
  readonly #blobs = new Map<string, Buffer>();

  constructor(id: string, files: Readonly<Record<string, string | Buffer>>, options: HubOptions) {
    this.#id = id;
    this.#options = { api: true, hashes: true, etags: 'own', access: 'public', token: 'secret', ...options };
    this.push(files);
    this.#server = createServer((request, response) => this.#answer(request, response, false));
    this.#cdn = createServer((request, response) => this.#answer(request, response, true));
  }

  get url(): string {
    return urlOf(this.#server);
  }

  get cdnUrl(): string {
    return urlOf(this.#cdn);
  }

  push(files: Readonly<Record<string, string | Buffer>>): void {
    this.#files = new Map(
      Object.entries(files).map(([path, content]) => [path, stored(Buffer.from(content))]),
    );
    for (const { content, sha256 } of this.#files.values()) this.#blobs.set(sha256, content);
    const tree = [...this.#files].map(([path, { sha256 }]) => `${path} ${sha256}`).join('\n');
    this.commit = createHash('sha1').update(tree).digest('hex');
  }

  log(cdn = false): string[] {
    return this.requests.filter((one) => one.cdn === cdn).map(({ method, url }) => `${method} ${url}`);
  }

  async listen(): Promise<void> {
    for (const server of [this.#server, this.#cdn]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
  }

  async close(): Promise<void> {
    for (const server of [this.#server, this.#cdn]) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse, cdn: boolean): void {
    const { pathname, searchParams } = new URL(request.url ?? '', this.url);
    const path = decodeURIComponent(pathname);
    const [, revision, file] =
      /^\/[^/]+\/[^/]+\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? /^\/()cdn\/.*$/.exec(path) ?? [];
    const seen: HubRequest = {
      method: request.method ?? '',
      url: request.url ?? '',
      range: request.headers.range,
      ifRange: request.headers['if-range']?.toString(),
      authorization: request.headers.authorization,
      cdn,
      file: cdn ? (searchParams.get('file') ?? undefined) : file,
    };
    this.requests.push(seen);
    const fault = this.script(seen);
    if (fault?.kind === 'status') return void response.writeHead(fault.status, fault.headers).end();
    if (cdn) {
      const content = this.#blobs.get(path.slice('/cdn/'.length));
      return content
        ? sendContent(request, response, {
            content,
            head: { ETag: `"${searchParams.get('file')}-cdn"` },
            fault,
          })
        : void response.writeHead(404).end();
    }
    if (path.startsWith('/api/')) return this.#answerApi(path, seen, response);
    this.#answerFile(request, response, { path, seen, revision: revision ?? '', file: file ?? '', fault });
  }

  #answerApi(path: string, seen: HubRequest, response: ServerResponse): void {
    if (!this.#options.api) return void response.writeHead(404).end('<html>no such page</html>');
    const prefix = `/api/models/${this.#id}/revision/`;
    if (!path.startsWith(prefix) || this.#isHidden(seen)) return refuse(response, 401, 'RepoNotFound');
    const revision = path.slice(prefix.length);
    if (!this.#knows(revision)) return refuse(response, 404, 'RevisionNotFound');
    const siblings = [...this.#files].map(([rfilename, { content, sha256, blobId }]) => ({
      rfilename,
      size: content.length,
      blobId,
      ...(content.length >= LFS_BYTES ? { lfs: { sha256, size: content.length, pointerSize: 134 } } : {}),
    }));
    const gated = this.#options.access === 'gated' ? 'manual' : false;
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ id: this.#id, sha: this.commit, gated, siblings }));
  }

  #answerFile(
    request: IncomingMessage,
    response: ServerResponse,
    asked: { path: string; seen: HubRequest; revision: string; file: string; fault: Fault | undefined },
  ): void {
    const { path, seen, revision, file, fault } = asked;
    // as the hub does
    if (!path.startsWith(`/${this.#id}/resolve/`) || this.#isHidden(seen))
      return refuse(response, 401, 'RepoNotFound');
    if (this.#options.access === 'gated' && !this.#isAllowed(seen))
      return refuse(response, seen.authorization ? 403 : 401, 'GatedRepo');
    if (!this.#knows(revision)) return refuse(response, 404, 'RevisionNotFound');
    const found = this.#files.get(file);
    if (!found) return refuse(response, 404, 'EntryNotFound');
    const { content, sha256, blobId } = found;
    const { hashes, etags } = this.#options;
    if (hashes && content.length >= LFS_BYTES) {
      response.writeHead(302, {
        Location: `${this.cdnUrl}/cdn/${sha256}?file=${encodeURIComponent(file)}`,
        'X-Repo-Commit': this.commit,
        'X-Linked-ETag': `"${sha256}"`,
        'X-Linked-Size': content.length,
      });
      return void response.end();
    }
    const head: Record<string, string> = hashes
      ? { ETag: `"${blobId}"`, 'X-Repo-Commit': this.commit }
      : {
          own: { ETag: `"v-${blobId.slice(0, 8)}"` },
          none: {},
          sha1: { ETag: createHash('sha1').update(content).digest('hex') },
        }[etags];
    sendContent(request, response, { content, head, fault });
  }

  #knows(revision: string): boolean {
    return revision === 'main' || revision === this.commit || revision === 'refs/pr/1';
  }

  #isAllowed({ authorization }: HubRequest): boolean {
    return authorization === `Bearer ${this.#options.token}`;
  }

  #isHidden(request: HubRequest): boolean {
    return this.#options.access === 'private' && !this.#isAllowed(request);
  }
}

function sendContent(
  request: IncomingMessage,
  response: ServerResponse,
  { content, head, fault }: { content: Buffer; head: Record<string, string>; fault: Fault | undefined },
): void {
  const condition = request.headers['if-range'];
  const applies = fault?.kind !== 'ignoreRange' && (condition === undefined || condition === head['ETag']);
  const range = applies ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') : null;
  const start = range ? Number(range[1]) : 0;
  if (start >= content.length && range)
    return void response.writeHead(416, { 'Content-Range': `bytes */${content.length}` }).end();
  const end = range?.[2] ? Math.min(Number(range[2]) + 1, content.length) : content.length;
  const part =
    fault?.kind === 'wrongBytes'
      ? content.subarray(start, end).map((byte) => byte ^ 1)
      : content.subarray(start, end);
  const length = fault?.kind === 'truncate' ? Math.min(fault.after, part.length) : part.length;
  response.writeHead(range ? 206 : 200, {
    ...head,
    'Accept-Ranges': 'bytes',
    'Content-Length': length,
    ...(range ? { 'Content-Range': `bytes ${start}-${end - 1}/${content.length}` } : {}),
  });
  if (request.method === 'HEAD') return void response.end();
  switch (fault?.kind) {
    case 'disconnect':
      response.write(part.subarray(0, fault.after));
      return when(response, fault.until ?? (() => true), () => response.destroy());
    case 'stall':
      response.write(part.subarray(0, fault.after));
      return when(response, fault.until ?? (() => false), () => response.end(part.subarray(fault.after)));
    case 'truncate':
    case 'wrongBytes':
    case 'ignoreRange':
    case 'status':
    case undefined:
      response.end(part.subarray(0, length));
      return;
    default:
      fault satisfies never;
  }
}

function when(response: ServerResponse, holds: () => boolean, act: () => void): void {
  const timer = setInterval(() => {
    if (!response.destroyed && !holds()) return;
    clearInterval(timer);
    act();
  }, 10);
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'X-Error-Code': code, 'X-Error-Message': code }).end(code);
}

function stored(content: Buffer): StoredFile {
  return {
    content,
    sha256: createHash('sha256').update(content).digest('hex'),
    blobId: createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex'),
  };
}

function filesOf(folder: string): Record<string, Buffer> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return [relative(folder, path).replaceAll('\\', '/'), readFileSync(path)];
      }),
  );
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
