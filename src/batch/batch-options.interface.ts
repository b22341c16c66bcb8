export interface BatchModuleOptions {
  /** When the inbox is looked at; null: never, files are run by hand. */
  readonly cron: string | null;
  /** Absolute folders; made if they don't exist. */
  readonly inbox: string;
  readonly outbox: string;
  readonly done: string;
}
