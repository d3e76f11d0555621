/** The repository of a reference, spelled out, as the API takes it beside a tag: docker.io/library/busybox. */
import type { Reference } from '../../oci/reference.ts';

export function repositoryName({ domain, path }: Reference): string {
  return `${domain}/${path}`;
}
