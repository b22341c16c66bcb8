import { ResidentError } from '../engine/errors.js';
import { StartError } from '../start-error.js';

/** One sentence for what a user can mend; the whole stack for what only a developer can. */
export function explainStartFailure(error: unknown): string {
  if (error instanceof StartError || error instanceof ResidentError) return error.message;
  if (!(error instanceof Error)) return String(error);
  const { code, port, address } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${address} is already in use. Stop what uses it, or set PORT to another.`;
    case 'EADDRNOTAVAIL':
      return `${address} is not an address of this machine. Set HOST to 127.0.0.1, 0.0.0.0 or one that is.`;
    case 'EACCES':
    case 'EROFS':
      return `Permission denied: ${error.message}.`;
    default:
      return error.stack ?? error.message;
  }
}
