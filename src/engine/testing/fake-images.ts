/** An image store with one image, which remembers who holds its layers. */
import { EngineError } from '../../errors/engine-error.ts';
import type { Image, ImageStore } from '../ports/images.ts';
import type { LayerFile } from '../ports/pod-runtime.ts';
import type { FakeWorld, Life } from './fake-stores.ts';

export const fakeImage: Image = {
  id: `sha256:${'1'.repeat(64)}`,
  repoTags: ['busybox:latest'],
  repoDigests: [],
  author: '',
  comment: '',
  architecture: 'amd64',
  os: 'linux',
  sizeBytes: 1000,
  diffIds: [`sha256:${'2'.repeat(64)}`],
  config: {
    user: '',
    env: [],
    entrypoint: [],
    cmd: ['sh'],
    workingDir: '',
    labels: {},
    exposedPorts: [],
    volumes: [],
  },
  history: [],
  rawConfig: {},
};

export class FakeImages implements ImageStore {
  readonly #holders: Set<string>;
  readonly #life: Life;
  removed = false;
  /** Of the one layer: a path that exists. */
  layerPath = '/';

  constructor(world: FakeWorld, life: Life) {
    this.#holders = world.holders;
    this.#life = life;
  }

  get(nameOrId: string): Image {
    if (this.removed || !['busybox', 'busybox:latest', fakeImage.id].includes(nameOrId))
      throw new EngineError('not_found', `No such image: ${nameOrId}`);
    return fakeImage;
  }

  hold(owner: string, imageId: string): readonly LayerFile[] {
    if (this.#holders.has(owner)) throw new EngineError('data_loss', 'a layer is missing');
    this.get(imageId);
    this.#holders.add(owner);
    return [{ digest: imageId, path: this.layerPath }];
  }

  release(owner: string): Promise<void> {
    return this.#life.do(() => this.#holders.delete(owner));
  }

  reconcile(owners: ReadonlySet<string>): Promise<void> {
    return this.#life.do(() => {
      for (const holder of this.#holders) if (!owners.has(holder)) this.#holders.delete(holder);
    });
  }

  usage(): ReturnType<ImageStore['usage']> {
    return { layers: 1, images: 1, bytes: 1000 };
  }

  list(): never {
    throw notHere();
  }
  pull(): never {
    throw notHere();
  }
  load(): never {
    throw notHere();
  }
  import(): never {
    throw notHere();
  }
  tag(): never {
    throw notHere();
  }
  remove(): never {
    throw notHere();
  }
  prune(): never {
    throw notHere();
  }
}

function notHere(): EngineError {
  return new EngineError('unimplemented', 'the engine never asks for this');
}
