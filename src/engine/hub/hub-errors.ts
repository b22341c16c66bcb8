import { ModelLoadError } from '../errors.js';
import { formatBytes } from '../placement/bytes.js';
import { hubId, type HubSource } from './hub-source.js';

/** What may be over in a moment: no answer, a broken connection, 429, a failure of the server. */
export class PassingFailure extends Error {
  constructor(
    message: string,
    readonly details: {
      /** What the server asks for, in milliseconds. */
      readonly retryAfterMs?: number | undefined;
      /** Bytes that came before it. */
      readonly received?: number;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: details.cause });
  }
}

/** Who asks, and what an answer means to them. */
export interface Asking {
  readonly source: HubSource;
  /** Without a slash at the end. */
  readonly endpoint: string;
  /** Whether a token went along. */
  readonly authorized: boolean;
  /** There is one, but this endpoint isn't told it. */
  readonly tokenWithheld: boolean;
}

/** The hub's answer is final: what it means, in a sentence with a remedy. */
export function explainRefusal(
  { source, endpoint, authorized, tokenWithheld }: Asking,
  response: { readonly status: number; readonly headers: Headers },
): ModelLoadError {
  const { status, headers } = response;
  const reason = headers.get('x-error-code');
  const withheld = tokenWithheld
    ? ` HF_TOKEN is set, but ${endpoint} isn't told it unless hub.trustEndpoint is true.`
    : '';
  if (reason === 'RevisionNotFound')
    return new ModelLoadError(
      'source_not_found',
      `The model ${source.id} on ${endpoint} has no revision '${source.revision}'. Name a branch, a tag or a commit of it.`,
    );
  if (reason === 'GatedRepo' || (status === 403 && reason !== 'RepoNotFound'))
    return new ModelLoadError(
      'access_denied',
      `The model ${source.id} is gated: accept its licence at ${endpoint}/${source.id}, and set HF_TOKEN to a token of the ` +
        `account that did${authorized ? ' (the one that is set has no access)' : ''}.${withheld}`,
    );
  if (status === 401 && authorized)
    return new ModelLoadError(
      'access_denied',
      `${endpoint} refuses the token in HF_TOKEN, or it may not see ${source.id}. Set another one, or none for a public model.`,
    );
  if (reason === 'EntryNotFound')
    return new ModelLoadError(
      'source_not_found',
      `${hubId(source)} on ${endpoint} has no config.json, or lost a file while it was fetched. Take a model for Transformers.js, for ` +
        `example from onnx-community.`,
    );
  if (status !== 401 && status !== 404)
    return unreachable(endpoint, source, `it answers with status ${status}`);
  return new ModelLoadError(
    'source_not_found',
    `There is no folder '${hubId(source)}' here, and ${endpoint} has no model ${source.id}, or a private one (it says the same of ` +
      `both). Check the name${authorized ? '' : ', and set HF_TOKEN if the model is private'}.${withheld}`,
  );
}

/** @param reason a clause without a full stop */
export function unreachable(
  endpoint: string,
  source: HubSource,
  reason: string,
  cause?: unknown,
): ModelLoadError {
  return new ModelLoadError(
    'hub_unreachable',
    `${hubId(source)} can't be had from ${endpoint}: ${reason}. Check the network and hub.endpoint, or fetch the model elsewhere ` +
      `and set its source to the folder.`,
    { cause },
  );
}

/** @param what what of it isn't in the cache */
export function offlineAndAbsent(source: HubSource, what: string, folder: string): ModelLoadError {
  return new ModelLoadError(
    'hub_unreachable',
    `${what} of ${hubId(source)} isn't in the cache (${folder}), and hub.offline (HF_HUB_OFFLINE) forbids to fetch it. ` +
      `${pullOnce(source)}, or set the source to a folder.`,
  );
}

/** It was asked to fetch all the same. */
export function offlineByChoice(source: HubSource): ModelLoadError {
  return new ModelLoadError(
    'hub_unreachable',
    `hub.offline (HF_HUB_OFFLINE) forbids to ask the hub for ${hubId(source)}. ${pullOnce(source)}.`,
  );
}

function pullOnce(source: HubSource): string {
  return `Allow it once: HF_HUB_OFFLINE=0 npm run models -- pull ${hubId(source)}`;
}

/** What the file system says, with a remedy; anything else is itself. */
export function explainDisk(error: unknown, { folder, needed }: { folder: string; needed: number }): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return error;
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') return diskFull({ folder, needed, cause: error });
  return new ModelLoadError(
    'cache_not_writable',
    `The cache folder can't be written to (${error.message}): ${formatBytes(needed)} are to be stored in ${folder}. Give this user ` +
      `write access to it, or set hub.cacheDir to another folder.`,
    { cause: error },
  );
}

/** @param available bytes that are free; undefined: writing has failed */
export function diskFull({
  folder,
  needed,
  available,
  cause,
}: {
  folder: string;
  needed: number;
  available?: number;
  cause?: unknown;
}): ModelLoadError {
  const free = available === undefined ? 'none is free' : `${formatBytes(available)} are free`;
  return new ModelLoadError(
    'disk_full',
    `The disk of ${folder} is full: ${formatBytes(needed)} are still to be downloaded, and ${free}. Free some space, or set ` +
      `hub.cacheDir to a folder on another disk; what has been downloaded is kept.`,
    { cause },
  );
}

/** It came twice with the wrong content. */
export function corruptDownload(url: string): ModelLoadError {
  return new ModelLoadError(
    'model_corrupt',
    `${url} was downloaded twice, and its size or hash is not what the hub announces. Try again later; if it stays so, something in ` +
      `between changes it: set hub.endpoint to another mirror.`,
  );
}
