/**
 * The tree that a layer's members make. Members may stand in any order, replace each other, and lie below links of the same
 * layer; whatever they say is resolved within this tree and never on the host.
 */
import { EngineError } from '../../errors/engine-error.ts';
import { Inode } from '../erofs/inode.ts';
import { typeChar, typeDirectory } from '../erofs/format.ts';
import { printable } from '../tar/tar-entry.ts';
import { splitLayerPath } from './layer-path.ts';

const linksFollowedMax = 40;
const stepsMax = 2048;

export class LayerTree {
  readonly root: Inode;
  /** Called for every directory that no member has named yet. */
  readonly #onImplied: () => void;
  readonly #maxDepth: number;
  /** Whiteouts that a member of the layer may still replace. */
  readonly #whiteouts = new Set<Inode>();
  /** Directories that hide what lower layers have at their place. */
  readonly opaque = new Set<Inode>();
  // Archives are sorted by directory, mostly: the last one is the next one.
  #lastParentPath = '';
  #lastParent: Inode | undefined;

  constructor(root: Inode, maxDepth: number, onImplied: () => void) {
    this.root = root;
    this.#maxDepth = maxDepth;
    this.#onImplied = onImplied;
  }

  /** The directory that `parts` lie in, made where it is missing. `name` is for errors. */
  parentOf(parts: readonly string[], name: string): Inode {
    const path = parts.slice(0, -1).join('/');
    if (this.#lastParent !== undefined && path === this.#lastParentPath) return this.#lastParent;
    const parent = this.#walk(parts.slice(0, -1), name, true);
    if (parent === undefined)
      throw new EngineError('internal', `no parent directory was made for "${printable(name)}"`);
    this.#lastParentPath = path;
    this.#lastParent = parent;
    return parent;
  }

  /** The node at a path, for hard links. Links on the way are followed, the last component is not. */
  find(parts: readonly string[], name: string): Inode | undefined {
    const last = parts.at(-1);
    if (last === undefined) return this.root;
    const found = this.#walk(parts.slice(0, -1), name, false)?.children?.get(last);
    return found === undefined || this.#whiteouts.has(found) ? undefined : found;
  }

  /** Puts a node at its place. What was there goes, except that a directory keeps its entries under a directory. */
  place(parent: Inode, name: string, node: Inode): void {
    const existing = parent.children?.get(name);
    if (existing === node) return;
    if (existing !== undefined) this.#replace(parent, existing, node);
    parent.children?.set(name, node);
    if (node.isDirectory) parent.nlink++;
  }

  /** `.wh.<name>`: hides `name` of lower layers, and nothing of this one (OCI image specification, "Whiteouts"). */
  whiteout(parent: Inode, name: string): void {
    const existing = parent.children?.get(name);
    if (existing === undefined) {
      const node = new Inode(typeChar);
      this.#whiteouts.add(node);
      parent.children?.set(name, node);
    } else if (existing.isDirectory) {
      this.opaque.add(existing);
    }
  }

  #replace(parent: Inode, existing: Inode, node: Inode): void {
    if (this.#whiteouts.delete(existing)) {
      // What the whiteout hid stays hidden.
      if (node.isDirectory) this.opaque.add(node);
    } else if (existing.isDirectory) {
      parent.nlink--;
      // What hangs below loses its names; links to it from elsewhere stay whole.
      forget(existing);
      this.#lastParent = undefined;
    } else {
      existing.nlink--;
      if (existing.isSymlink) this.#lastParent = undefined;
    }
  }

  /** Follows links as a kernel with this tree as its root would. */
  #walk(parts: readonly string[], name: string, create: boolean): Inode | undefined {
    const pending = parts.toReversed();
    const stack: Inode[] = [this.root];
    let followed = 0;
    let steps = 0;
    for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
      const here = stack.at(-1) ?? this.root;
      if (++steps > stepsMax)
        throw new EngineError(
          'resource_exhausted',
          `archive entry "${printable(name)}" lies below too long symbolic links`,
        );
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (stack.length > 1) stack.pop();
        continue;
      }
      let next = here.children?.get(part);
      if (next === undefined || this.#whiteouts.has(next)) {
        if (!create) return undefined;
        next = this.#imply(here, part, name, stack.length);
      }
      if (next.isSymlink) {
        if (++followed > linksFollowedMax)
          throw new EngineError(
            'invalid_argument',
            `archive entry "${printable(name)}" lies below a loop of symbolic links`,
          );
        if (next.target.startsWith('/')) stack.length = 1;
        for (const step of next.target.split('/').reverse()) pending.push(step);
        continue;
      }
      if (!next.isDirectory) {
        if (!create) return undefined;
        throw new EngineError(
          'invalid_argument',
          `archive entry "${printable(name)}" lies below "${printable(part)}", which is not a directory`,
        );
      }
      stack.push(next);
    }
    return stack.at(-1);
  }

  #imply(parent: Inode, part: string, name: string, depth: number): Inode {
    // A link's target is text of the archive as well.
    splitLayerPath(part, 1);
    if (depth > this.#maxDepth)
      throw new EngineError(
        'resource_exhausted',
        `archive entry "${printable(name)}" makes directories deeper than ${this.#maxDepth}`,
      );
    this.#onImplied();
    const directory = new Inode(typeDirectory | 0o755);
    this.place(parent, part, directory);
    return directory;
  }
}

/** Takes the names away from everything below a directory. */
function forget(directory: Inode): void {
  const pending = [directory];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const child of next.children?.values() ?? []) {
      if (child.isDirectory) pending.push(child);
      else child.nlink--;
    }
  }
}
