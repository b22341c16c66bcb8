import { DiscoveryService } from '@nestjs/core';

/** Where an application's own lines come from, each time its schedule comes. */
export interface LineSource {
  /**
   * Lines of a batch, in OpenAI's format: `{custom_id, body}`; `method` and `url` may be left out. A string is a line as it is,
   * without its end.
   * @param signal aborts when the run is given up: the server stops, or was thought dead
   */
  lines(signal: AbortSignal): AsyncIterable<string | object> | Iterable<string | object>;
}

/**
 * Makes a provider of the application a source of lines, under the name that schedules use.
 *
 * @example
 * \@LineSourceProvider('crm')
 * class CrmLines implements LineSource {
 *   async *lines() {
 *     for (const { id, text } of await this.crm.newNotes()) yield { custom_id: id, body: { model: 'tales', prompt: text } };
 *   }
 * }
 */
export const LineSourceProvider = DiscoveryService.createDecorator<string>();
