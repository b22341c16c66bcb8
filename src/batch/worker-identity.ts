import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/** Who this process is to the others that share its database: the owner of its leases. */
@Injectable()
export class WorkerIdentity {
  readonly host = hostname();
  readonly pid = process.pid;
  readonly startedAt = Date.now();
  /** Readable, and never used twice: pids are. */
  readonly id = `${this.host}-${this.pid}-${randomBytes(4).toString('hex')}`;
}
