/** An image as Docker shows it. */
import type { Image } from '../../engine/ports/images.ts';
import { storageDriver } from './container-view.ts';
import { noTime, toUnixSeconds } from './time.ts';
import type { ContainerConfig, ImageHistoryItem, ImageInspect, ImageSummary } from './types.ts';

export function toImageSummary(
  image: Image,
  counts: { readonly containers: number; readonly sharedBytes: number },
  minorVersion: number,
): ImageSummary {
  const { labels } = image.config;
  return {
    Id: image.id,
    ParentId: '',
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    Created: createdSeconds(image.created),
    Size: image.sizeBytes,
    SharedSize: counts.sharedBytes,
    ...(minorVersion < 44 && { VirtualSize: image.sizeBytes }),
    Labels: Object.keys(labels).length === 0 ? null : labels,
    Containers: counts.containers,
  };
}

export function toImageInspect(image: Image, minorVersion: number): ImageInspect {
  const dockerVersion = image.rawConfig['docker_version'];
  return {
    Id: image.id,
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    Parent: '',
    Comment: image.comment,
    ...(image.created !== undefined && { Created: image.created }),
    DockerVersion: typeof dockerVersion === 'string' ? dockerVersion : '',
    Author: image.author,
    Config: toImageConfig(image),
    Architecture: image.architecture,
    ...(image.variant !== undefined && { Variant: image.variant }),
    Os: image.os,
    Size: image.sizeBytes,
    ...(minorVersion < 44 && { VirtualSize: image.sizeBytes }),
    GraphDriver: { Name: storageDriver, Data: null },
    RootFS: { Type: 'layers', Layers: image.diffIds },
    Metadata: { LastTagTime: image.lastTaggedAt?.toISOString() ?? noTime },
  };
}

function toImageConfig({ config }: Image): ContainerConfig {
  return {
    User: config.user,
    ...(config.exposedPorts.length > 0 && { ExposedPorts: nameSet(config.exposedPorts) }),
    Env: config.env,
    Cmd: config.cmd.length === 0 ? null : config.cmd,
    Volumes: config.volumes.length === 0 ? null : nameSet(config.volumes),
    WorkingDir: config.workingDir,
    Entrypoint: config.entrypoint.length === 0 ? null : config.entrypoint,
    OnBuild: null,
    Labels: Object.keys(config.labels).length === 0 ? null : config.labels,
    ...(config.stopSignal !== undefined && { StopSignal: config.stopSignal }),
    ...(config.healthcheck !== undefined && { Healthcheck: config.healthcheck }),
    ...(config.shell !== undefined && { Shell: config.shell }),
  };
}

/** Newest first. Only the newest entry has an ID: the others' images were never here. */
export function toImageHistory(image: Image): readonly ImageHistoryItem[] {
  return [...image.history].reverse().map((entry, index) => ({
    Id: index === 0 ? image.id : '<missing>',
    Created: createdSeconds(entry.created),
    CreatedBy: entry.createdBy,
    Tags: index === 0 && image.repoTags.length > 0 ? image.repoTags : null,
    Size: entry.sizeBytes,
    Comment: entry.comment,
  }));
}

function createdSeconds(created: string | undefined): number {
  const time = created === undefined ? Number.NaN : Date.parse(created);
  return Number.isNaN(time) ? 0 : toUnixSeconds(new Date(time));
}

function nameSet(names: readonly string[]): Readonly<Record<string, Readonly<Record<string, never>>>> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}
