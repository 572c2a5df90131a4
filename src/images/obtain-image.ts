import { CONTRACT_VERSION } from '../../contract/version.ts';
import type { Clock } from '../clock.ts';
import type { FoundImage, ImageShelf } from '../engines/image-builder.ts';
import { asBerthError } from '../errors.ts';
import type { BuildReads } from '../ledger/build-reads.ts';
import type { ProvenBuild } from '../ledger/builds.ts';
import type { Writer } from '../writer/writer.ts';
import { canGrow } from './base-fits.ts';
import type { BaseOptions } from './build-base.ts';
import type { BuildEvent } from './build-events.ts';
import { type BuildDependencies, buildImage } from './build-image.ts';
import { type Asker, BuildQueue } from './build-queue.ts';
import { CANDIDATES, DECLARATION_LABEL, NAME_LABEL } from './dockerfile.ts';
import { type ImageSpec, imageHash, imageTag } from './image-spec.ts';
import { type ProofDependencies, proofInstall, proveImage } from './prove-image.ts';
import { usableBase } from './usable-base.ts';

export interface ObtainDependencies extends BuildDependencies, ProofDependencies {
  shelf: ImageShelf;
  writer: Pick<Writer, 'run'>;
  reads: BuildReads;
  clock: Clock;
  base: BaseOptions;
  sideBySide: number;
}

interface ObtainedImage {
  build: ProvenBuild;
  /** False: it was there already. */
  built: boolean;
}

interface Order extends Asker<BuildEvent> {
  spec: ImageSpec;
  /** Built anew also when it is there. */
  afresh?: boolean | undefined;
}

/** Gets images of declarations: those that are there and proven, or new ones. */
export interface ImageSource {
  /**
   * @returns an image of the declaration on the present base image, proven good and in the ledger.
   * @throws as `buildImage` and `proveImage`; E_IMAGE_BASE, E_BASE_SOURCE; the order's own reason when it is aborted.
   */
  obtain(order: Order): Promise<ObtainedImage>;
  /** Ends what is under way. */
  close(): Promise<void>;
}

/** Makes the source: one build per hash at a time, a bounded number side by side. */
export function createImageSource(deps: ObtainDependencies): ImageSource {
  const queue = new BuildQueue<BuildEvent, ObtainedImage>(deps.sideBySide);
  const bases = new BuildQueue<BuildEvent, FoundImage>(1);
  const anew = new Set<string>();
  let cleared: Promise<void> | undefined;

  return {
    async obtain({ spec, afresh = false, ...asker }) {
      const base = await findBase(asker);
      const hash = imageHash(base.id, spec);
      const known = afresh ? undefined : await findKnown(hash);
      if (known) return { build: known, built: false };
      // Who wants it anew joins one that is being made anew, and waits for any other.
      while (afresh && queue.has(hash) && !anew.has(hash)) await queue.settled(hash);
      if (afresh) anew.add(hash);
      return queue.run(hash, asker, (signal, emit) =>
        make({ hash, base: base.id, spec, afresh }, signal, emit),
      );
    },
    close: async () => void (await Promise.all([bases.close(), queue.close()])),
  };

  /** One that is missing is built for all who wait for it, and the build is ended when nobody does. */
  async function findBase(asker: Asker<BuildEvent>): Promise<FoundImage> {
    const found = await deps.images.inspect(deps.base.image);
    if (found && canGrow(found)) return found;
    return bases.run(deps.base.image, asker, (signal, emit) => {
      const onProgress = ({ step, of, text }: { step: number; of: number; text: string }) =>
        emit({ event: 'line', text: `base image, step ${step} of ${of}: ${text}` });
      return usableBase(deps.base, { images: deps.images, onProgress, signal });
    });
  }

  /** What the ledger calls proven counts only as long as the engine has it. */
  async function findKnown(hash: string): Promise<ProvenBuild | undefined> {
    const build = deps.reads.provenOf(hash);
    return build && (await deps.images.inspect(build.image)) ? build : undefined;
  }

  async function make(
    order: { hash: string; base: string; spec: ImageSpec; afresh: boolean },
    signal: AbortSignal,
    emit: (event: BuildEvent) => void,
  ): Promise<ObtainedImage> {
    const { hash, base, spec, afresh } = order;
    const startedAt = deps.clock.now();
    const subject = { hash, base, contract: CONTRACT_VERSION, declaration: spec, startedAt };
    const name = `${CANDIDATES}:${hash}-${deps.install.slice(0, 8)}`;
    try {
      cleared ??= clearProofs();
      await cleared;
      const adopted = afresh ? undefined : await findProven(hash, spec);
      const image = adopted ?? (await buildImage(deps, { ...order, name }, signal, emit));
      emit({ event: 'line', text: 'proving that it works' });
      const packages = await proveImage(deps, { image, hash, spec, signal });
      if (!adopted) await putOnShelf(image, hash);
      const { size = 0 } = (await deps.images.inspect(image)) ?? {};
      const build = { ...subject, image, size, packages, endedAt: deps.clock.now() };
      const id = await deps.writer.run('recordBuild', build);
      return { build: { ...build, id }, built: adopted === undefined };
    } catch (error) {
      const { code, message: reason } = asBerthError(error, 'E_IMAGE_BUILD');
      if (code !== 'E_IMAGE_CANCELLED')
        await deps.writer.run('recordFailedBuild', { ...subject, code, reason, endedAt: deps.clock.now() });
      throw error;
    } finally {
      anew.delete(hash);
      // A candidate that was not proven goes; one that was bears its own name by now.
      await deps.images.remove(name).catch(() => undefined);
    }
  }

  /** Another data folder on this engine may have built it: the name alone says that it was proven there. */
  async function findProven(hash: string, spec: ImageSpec): Promise<string | undefined> {
    const tag = imageTag(hash);
    const found = await deps.images.inspect(tag);
    if (!found || !canGrow(found) || found.labels[NAME_LABEL] !== tag) return undefined;
    return found.labels[DECLARATION_LABEL] === JSON.stringify(spec) ? found.id : undefined;
  }

  /** The name moves to the new image in one step; the old one keeps a name of its own, for who goes back to it. */
  async function putOnShelf(image: string, hash: string): Promise<void> {
    const tag = imageTag(hash);
    const old = await deps.images.inspect(tag);
    if (old && old.id !== image) await deps.shelf.tag(old.id, `${tag}-${old.id.slice(7, 19)}`);
    await deps.shelf.tag(image, tag);
  }

  /** Once, before the first proof: containers in which a host that died was proving something. */
  async function clearProofs(): Promise<void> {
    for (const { name } of await deps.engine.list(proofInstall(deps.install))) await deps.engine.remove(name);
  }
}
