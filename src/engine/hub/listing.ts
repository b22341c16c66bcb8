import { z } from 'zod';
import { identityOfEtag, type RepositoryFile } from './file-identity.js';
import { whyBroken, type HubAnswer, type HubClient } from './hub-client.js';
import { PassingFailure } from './hub-errors.js';
import type { HubSource } from './hub-source.js';
import {
  ALL_DTYPES,
  OPTIONAL_FILES,
  REQUIRED_FILES,
  graphFile,
  isSmallFile,
  isWeightsOf,
} from './needed-files.js';

/** What a revision of a model consists of, as far as it is read here. */
export interface Listing {
  /** undefined: a mirror that doesn't tell. */
  readonly commit: string | undefined;
  readonly files: readonly RepositoryFile[];
}

const infoSchema = z.object({
  sha: z.string(),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.number().int().nonnegative(),
      blobId: z.string(),
      lfs: z.object({ sha256: z.string(), size: z.number().int().nonnegative() }).nullish(),
    }),
  ),
});

/** A file of weights is in so many pieces at most (Transformers.js, `utils/hub.js`). */
const MOST_PIECES = 100;
/** A list is so long at most, in characters: thousands of files are under a megabyte. Whatever goes on and on is none. */
const LONGEST_LIST = 2 ** 25;
/** Files that a mirror without the API is asked for at a time. */
const PARALLEL = 8;

/**
 * Asks the hub what the model consists of: in one request, or, where a mirror hasn't that API, file by file.
 * @throws ModelLoadError
 */
export async function listModel(client: HubClient, source: HubSource): Promise<Listing> {
  const answer = await client.persist(() => readInfo(client, source));
  if (answer !== undefined) return answer;
  return probeFiles(client, source);
}

/** @returns undefined: there is no such API */
async function readInfo(client: HubClient, { revision }: HubSource): Promise<Listing | undefined> {
  const answer = await client.request(client.infoUrl(revision));
  const { response } = answer;
  // that of a mirror without the API doesn't say what is missing
  const isHub = response.headers.has('x-error-code');
  try {
    if (!response.ok) {
      await response.body?.cancel();
      if (isHub || response.status === 403) throw client.refusal(response);
      return undefined;
    }
    const info = infoSchema.safeParse(parseJson(await readText(answer)));
    return info.success ? fromInfo(info.data) : undefined;
  } finally {
    answer.close();
  }
}

function fromInfo({ sha, siblings }: z.output<typeof infoSchema>): Listing {
  const files = siblings
    .filter(
      ({ rfilename: path }) => isSmallFile(path) || ALL_DTYPES.some((dtype) => isWeightsOf(dtype, path)),
    )
    .map(({ rfilename: path, size, blobId, lfs }) => ({
      path,
      size: lfs?.size ?? size,
      identity: lfs ? `sha256:${lfs.sha256}` : `sha1:${blobId}`,
    }));
  return { commit: sha, files };
}

/** File by file, each that may be there. */
async function probeFiles(client: HubClient, source: HubSource): Promise<Listing> {
  const config = await probe(client, source.revision, REQUIRED_FILES[0]);
  if (config.file === undefined) throw client.refusal(config.answer);
  // all of one commit, whatever is pushed meanwhile
  const revision = config.commit ?? source.revision;
  const names = [REQUIRED_FILES[1], ...OPTIONAL_FILES, ...ALL_DTYPES.map(graphFile)];
  const found: RepositoryFile[] = [config.file];
  for (let i = 0; i < names.length; i += PARALLEL) {
    const some = await Promise.all(names.slice(i, i + PARALLEL).map((name) => probe(client, revision, name)));
    found.push(...some.flatMap(({ file }) => file ?? []));
  }
  const graphs = found.filter(({ path }) => path.endsWith('.onnx'));
  const pieces = await Promise.all(graphs.map(({ path }) => probePieces(client, revision, path)));
  return { commit: config.commit, files: [...found, ...pieces.flat()] };
}

/** The external data of a graph. */
async function probePieces(client: HubClient, revision: string, graph: string): Promise<RepositoryFile[]> {
  const pieces: RepositoryFile[] = [];
  for (let i = 0; i < MOST_PIECES; i++) {
    const { file } = await probe(client, revision, `${graph}_data${i === 0 ? '' : `_${i}`}`);
    if (file === undefined) break;
    pieces.push(file);
  }
  return pieces;
}

interface Probe {
  /** undefined: it isn't there, or isn't to be had. */
  readonly file: RepositoryFile | undefined;
  readonly commit: string | undefined;
  readonly answer: { readonly status: number; readonly headers: Headers };
}

function probe(client: HubClient, revision: string, path: string): Promise<Probe> {
  return client.persist(async () => {
    const { response, hubHeaders, close } = await client.request(client.fileUrl(revision, path), {
      method: 'HEAD',
      follow: false,
    });
    close();
    const there = response.ok || hubHeaders.has('x-linked-etag');
    if (!there && response.status !== 404 && path !== REQUIRED_FILES[0]) throw client.refusal(response);
    const etag = hubHeaders.get('x-linked-etag') ?? response.headers.get('etag') ?? '';
    const size = Number(hubHeaders.get('x-linked-size') ?? response.headers.get('content-length') ?? NaN);
    if (there && !Number.isInteger(size))
      throw new PassingFailure(`${client.endpoint} doesn't tell the size of ${path}`);
    return {
      file: there ? { path, size, identity: identityOfEtag(etag) } : undefined,
      commit: hubHeaders.get('x-repo-commit') ?? undefined,
      answer: response,
    };
  });
}

/** @returns nothing, if it is no list by its length */
async function readText({ response, alive }: HubAnswer): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of response.body ?? []) {
      alive();
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (text.length > LONGEST_LIST) return '';
    }
  } catch (error) {
    throw new PassingFailure(whyBroken(error), { cause: error });
  }
  return text + decoder.decode();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
