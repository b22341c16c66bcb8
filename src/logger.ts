import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import type { LogLevelName } from './config/config.schema.js';

/** From the most to the least urgent; Nest calls `info` `log`. */
const LEVELS: readonly LogLevel[] = ['fatal', 'error', 'warn', 'log', 'debug'];

/** Contexts in which Nest tells how it wires itself: of use to whoever debugs the wiring. */
const WIRING = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'GraphQLModule',
  'NestApplication',
]);

/** Contexts in which Nest tells of an error that it throws, too. */
const STARTING = new Set(['NestApplication', 'ExceptionHandler']);

/** Nest's console logger, with Nest's own start-up chatter at level debug. */
export class ResidentLogger extends ConsoleLogger {
  constructor(level: LogLevelName) {
    const least = level === 'info' ? 'log' : level;
    super('Resident', { logLevels: LEVELS.slice(0, LEVELS.indexOf(least) + 1) });
  }

  override log(message: unknown, ...rest: unknown[]): void {
    if (WIRING.has(String(rest.at(-1)))) super.debug(message, ...rest);
    else super.log(message, ...rest);
  }

  override error(message: unknown, ...rest: unknown[]): void {
    // why the start failed: it is thrown as well, and explained where it is caught
    if (STARTING.has(String(rest.at(-1)))) super.debug(message, ...rest);
    else super.error(message, ...rest);
  }
}
