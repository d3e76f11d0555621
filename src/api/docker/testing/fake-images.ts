/** An image store with one image, for the tests of the API. */
import { EngineError } from '../../../errors/engine-error.ts';
import type { Image, ImageStore } from '../../../engine/ports/images.ts';

export const fakeImage: Image = {
  id: `sha256:${'1'.repeat(64)}`,
  repoTags: ['busybox:latest'],
  repoDigests: [`busybox@sha256:${'2'.repeat(64)}`],
  created: '2024-05-01T10:00:00Z',
  author: '',
  comment: '',
  architecture: 'amd64',
  os: 'linux',
  sizeBytes: 4_000_000,
  diffIds: [`sha256:${'3'.repeat(64)}`],
  config: {
    user: '',
    env: ['PATH=/usr/bin:/bin'],
    entrypoint: [],
    cmd: ['sh'],
    workingDir: '',
    labels: { made: 'here' },
    exposedPorts: ['80/tcp'],
    volumes: [],
  },
  history: [
    {
      created: '2024-05-01T10:00:00Z',
      createdBy: 'ADD rootfs.tar /',
      comment: '',
      emptyLayer: false,
      sizeBytes: 4_000_000,
    },
    { created: '2024-05-01T10:00:00Z', createdBy: 'CMD ["sh"]', comment: '', emptyLayer: true, sizeBytes: 0 },
  ],
  rawConfig: {},
};

/** What the tests look at afterwards. */
export interface FakeImageLog {
  readonly calls: { readonly verb: string; readonly request: unknown }[];
}

export class FakeImages implements ImageStore {
  readonly calls: { readonly verb: string; readonly request: unknown }[] = [];
  readonly #byName = new Map<string, Image>([
    ['busybox', fakeImage],
    ['busybox:latest', fakeImage],
    [fakeImage.id, fakeImage],
  ]);

  get(nameOrId: string): Image {
    const image = this.#byName.get(nameOrId.replace(/^docker\.io\/library\//, ''));
    if (image === undefined) throw new EngineError('not_found', `No such image: ${nameOrId}`);
    return image;
  }

  list(): readonly Image[] {
    return [...new Set(this.#byName.values())];
  }

  pull: ImageStore['pull'] = (request, progress) => {
    this.calls.push({ verb: 'pull', request });
    if (request.reference.includes('missing'))
      return Promise.reject(
        new EngineError('not_found', `no such image in the registry: ${request.reference}`),
      );
    progress({ id: 'latest', status: 'Pulling from library/busybox' });
    progress({ id: 'abc', status: 'Downloading', current: 5, total: 10 });
    if (request.reference.includes('corrupt'))
      return Promise.reject(new EngineError('data_loss', 'layer abc is not what its digest says'));
    progress({ id: 'abc', status: 'Pull complete' });
    return Promise.resolve([fakeImage]);
  };

  load: ImageStore['load'] = async (tar) => {
    this.calls.push({ verb: 'load', request: await countBytes(tar) });
    return [fakeImage];
  };

  import: ImageStore['import'] = async (tar, request) => {
    this.calls.push({ verb: 'import', request: { ...request, bytes: await countBytes(tar) } });
    return fakeImage;
  };

  tag(source: string, target: string): void {
    this.#byName.set(target, this.get(source));
  }

  remove: ImageStore['remove'] = (nameOrId) => {
    this.get(nameOrId);
    this.#byName.delete(nameOrId);
    return Promise.resolve([{ untagged: nameOrId }, { deleted: fakeImage.id }]);
  };

  prune: ImageStore['prune'] = (filter) => {
    this.calls.push({ verb: 'prune', request: filter });
    return Promise.resolve({ removed: [], reclaimedBytes: 0 });
  };

  hold(): readonly [] {
    return [];
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  reconcile(): Promise<void> {
    return Promise.resolve();
  }

  usage() {
    return { layers: 1, images: 1, bytes: 4_000_000 };
  }
}

async function countBytes(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}
