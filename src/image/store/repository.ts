/** Repositories as the database spells them: docker.io/library/busybox. */
import { familiarName, parseReference, type Reference } from '../../oci/reference.ts';

export function repositoryOf(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** What people write for it. */
export function shortRepository(repository: string): string {
  return familiarName(parseReference(repository));
}
