import { Injectable } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { InvalidRequestError } from '../../engine/errors.js';
import { LineSourceProvider, type LineSource } from './line-source.js';
import { StartError } from '../../start-error.js';

/** The sources of lines that the application registered. To be asked once it is put together. */
@Injectable()
export class LineSources {
  readonly #discovery: DiscoveryService;
  #byName: ReadonlyMap<string, LineSource> | undefined;

  constructor(discovery: DiscoveryService) {
    this.#discovery = discovery;
  }

  /** @throws InvalidRequestError if there is none of that name */
  get(name: string): LineSource {
    this.#byName ??= this.#discover();
    const source = this.#byName.get(name);
    if (source) return source;
    const known = [...this.#byName.keys()];
    throw new InvalidRequestError(
      'invalid_value',
      `There is no line source '${name}': ${known.length > 0 ? `there are ${known.join(', ')}` : 'the application registers none'}.`,
      { param: 'source.provider' },
    );
  }

  #discover(): ReadonlyMap<string, LineSource> {
    const found = new Map<string, LineSource>();
    for (const wrapper of this.#discovery.getProviders({ metadataKey: LineSourceProvider.KEY })) {
      const name = this.#discovery.getMetadataByDecorator(LineSourceProvider, wrapper);
      const source: unknown = wrapper.instance;
      if (typeof name !== 'string' || name === '' || !isLineSource(source))
        throw new StartError(
          `@LineSourceProvider needs a name, and a class that has lines(): ${wrapper.name}.`,
        );
      if (found.has(name) && found.get(name) !== source)
        throw new StartError(`Two line sources have the name '${name}': give one of them another.`);
      found.set(name, source);
    }
    return found;
  }
}

function isLineSource(value: unknown): value is LineSource {
  return typeof value === 'object' && value !== null && 'lines' in value && typeof value.lines === 'function';
}
