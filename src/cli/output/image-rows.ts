/** An image as rows of `images`: one for each name it has. */
import type { ImageSummary } from '../../client/api-types.ts';
import { familiarName, parseReference } from '../../oci/reference.ts';
import type { Fields } from '../template/values.ts';
import type { RowContext } from './container-rows.ts';
import { humanAgo, humanSize, localTime, shortId } from './human-units.ts';

export const imageHeaders = {
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
  Containers: 'CONTAINERS',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
} as const;

interface ImageName {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

const none = '<none>';

export function imageRows(image: ImageSummary, digests: boolean, context: RowContext): readonly Fields[] {
  return namesOf(image, digests).map((name) => ({
    ID: context.truncate ? shortId(image.Id) : image.Id,
    Repository: name.repository,
    Tag: name.tag,
    Digest: name.digest,
    CreatedSince: humanAgo(image.Created * 1000, context.nowMs),
    CreatedAt: localTime(image.Created),
    Size: humanSize(image.Size, 3),
    VirtualSize: humanSize(image.Size),
    Containers: image.Containers === -1 ? 'N/A' : String(image.Containers),
    SharedSize: image.SharedSize === -1 ? 'N/A' : humanSize(image.SharedSize),
    UniqueSize: image.SharedSize === -1 ? 'N/A' : humanSize(image.Size - image.SharedSize),
  }));
}

function namesOf(image: ImageSummary, withDigests: boolean): readonly ImageName[] {
  const tagged = image.RepoTags.filter((name) => name !== '<none>:<none>').map((name) => parsed(name));
  const digested = image.RepoDigests.filter((name) => name !== '<none>@<none>').map((name) => parsed(name));
  if (tagged.length === 0 && digested.length === 0) return [{ repository: none, tag: none, digest: none }];
  const rows: ImageName[] = [];
  for (const { repository, tag } of tagged) {
    const digests = withDigests ? digested.filter((other) => other.repository === repository) : [];
    if (digests.length === 0) rows.push({ repository, tag, digest: none });
    for (const { digest } of digests) rows.push({ repository, tag, digest });
  }
  for (const { repository, digest } of digested) {
    if (tagged.some((other) => other.repository === repository)) continue;
    if (withDigests) rows.push({ repository, tag: none, digest });
    else if (!rows.some((row) => row.repository === repository))
      rows.push({ repository, tag: none, digest: none });
  }
  return rows;
}

function parsed(name: string): ImageName {
  const reference = parseReference(name);
  return {
    repository: familiarName(reference),
    tag: reference.tag ?? none,
    digest: reference.digest ?? none,
  };
}
