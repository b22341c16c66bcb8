/** A model on the hub. */
export interface HubSource {
  /** `owner/name` */
  readonly id: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

/** As it is written in the configuration: `owner/name`, `owner/name@v1`. */
export function hubId({ id, revision }: HubSource): string {
  return revision === 'main' ? id : `${id}@${revision}`;
}
