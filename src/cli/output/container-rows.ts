/** A container as a row of `ps`. */
import type { ContainerSummary } from '../../client/api-types.ts';
import { familiarName, parseReference } from '../../oci/reference.ts';
import type { Fields } from '../template/values.ts';
import { ellipsis, humanAgo, humanSize, localTime, shortId } from './human-units.ts';
import { formatPorts } from './ports.ts';
import type { Port } from './ports.ts';

export const containerHeaders = {
  ID: 'CONTAINER ID',
  Names: 'NAMES',
  Image: 'IMAGE',
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  RunningFor: 'CREATED',
  Ports: 'PORTS',
  State: 'STATE',
  Status: 'STATUS',
  Size: 'SIZE',
  Labels: 'LABELS',
  Mounts: 'MOUNTS',
  LocalVolumes: 'LOCAL VOLUMES',
  Networks: 'NETWORKS',
  Platform: 'PLATFORM',
} as const;

export interface RowContext {
  readonly truncate: boolean;
  readonly nowMs: number;
}

export function containerRow(container: ContainerSummary, { truncate, nowMs }: RowContext): Fields {
  const labels = container.Labels;
  const names = container.Names.map((name) => name.replace(/^\//, ''));
  const mounts = container.Mounts.map((mount) => mount.Source || mount.Destination);
  return {
    ID: truncate ? shortId(container.Id) : container.Id,
    Names: truncate ? (names[0] ?? '') : names.join(','),
    Image: imageName(container, truncate),
    Command: JSON.stringify(truncate ? ellipsis(container.Command, 20) : container.Command),
    CreatedAt: localTime(container.Created),
    RunningFor: humanAgo(container.Created * 1000, nowMs),
    Platform: null,
    Ports: formatPorts(container.Ports as readonly Port[]),
    State: container.State,
    Status: container.Status,
    Size: containerSize(container),
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .toSorted()
      .join(','),
    Label: (key: unknown) => labels[String(key)] ?? '',
    Mounts: (truncate ? mounts.map((mount) => ellipsis(mount, 15)) : mounts).join(','),
    LocalVolumes: '0',
    Networks: Object.keys(container.NetworkSettings.Networks).join(','),
  };
}

function containerSize({ SizeRw = 0, SizeRootFs = 0 }: ContainerSummary): string {
  const own = humanSize(SizeRw, 3);
  return SizeRootFs > 0 ? `${own} (virtual ${humanSize(SizeRootFs, 3)})` : own;
}

/** As it was named, without docker.io/library and without a digest; the ID where the image lost its name. */
function imageName({ Image: image, ImageID: id }: ContainerSummary, truncate: boolean): string {
  if (image === '') return '<no image>';
  if (!truncate) return image;
  if (shortId(image) === shortId(id)) return shortId(id);
  try {
    const reference = parseReference(image);
    return familiarName(reference) + (reference.tag === undefined ? '' : `:${reference.tag}`);
  } catch {
    return image; // no reference: as the daemon wrote it
  }
}
