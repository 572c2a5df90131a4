import type { Clock } from '../clock.ts';
import { BerthError } from '../errors.ts';
import type { BuildReads } from '../ledger/build-reads.ts';
import type { GroupImageRow, ProvenBuild } from '../ledger/builds.ts';
import type { Writer } from '../writer/writer.ts';
import type { Problem, Standing } from './choose-image.ts';

interface Dependencies {
  writer: Pick<Writer, 'run'>;
  reads: BuildReads;
  clock: Clock;
  /** The group's containers start from another image from now on. */
  onSwitched(folder: string): void;
}

/** A group's row in the ledger, and what is known of it besides until this process ends. */
export interface KnownStanding extends Standing {
  previous: number | null;
  held: string | null;
}

/** Which image each group has: the ledger's rows, mirrored in memory so that a wake need not ask. */
export class GroupStandings {
  readonly #deps: Dependencies;
  readonly #known = new Map<string, KnownStanding>();
  #last: Promise<void> = Promise.resolve();

  constructor(deps: Dependencies) {
    this.#deps = deps;
    for (const row of deps.reads.groupImages()) this.#known.set(row.folder, this.#fromRow(row));
  }

  of(folder: string): KnownStanding {
    const known = this.#known.get(folder) ?? { ...nothing };
    this.#known.set(folder, known);
    return known;
  }

  /** Containers of that image do not start: the engine has lost it. */
  markGone(image: string): void {
    for (const standing of this.#known.values()) standing.gone ||= standing.current?.image === image;
  }

  /** Switches the group to the image, durably, and then tells. `undefined`: to the base image. One switch after the other. */
  use(folder: string, build: ProvenBuild | undefined, held: string | null = null): Promise<void> {
    const done = this.#last.then(() => this.#switch(folder, build, held));
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** What is in force stays; the reason is kept for whoever looks. */
  fail(folder: string, { code, message: reason }: BerthError): void {
    this.of(folder).problem = { code, reason, at: this.#deps.clock.now() };
  }

  /** By folder, of those that have one. */
  problems(folders: string[]): Record<string, Problem> {
    const all = folders.map((folder) => [folder, this.of(folder).problem] as const);
    return Object.fromEntries(all.flatMap(([folder, problem]) => (problem ? [[folder, problem]] : [])));
  }

  /**
   * Goes back to the image before; `held` keeps what is declared now from being built again by itself.
   * @param onGoing there is something to go back to: what is being built is wanted no more.
   * @throws E_IMAGE_PREVIOUS when there is none, or when it is not `there` any more.
   */
  async goBack(
    folder: string,
    held: string,
    there: (image: string) => Promise<boolean>,
    onGoing: () => void = () => undefined,
  ): Promise<ProvenBuild> {
    const { previous } = this.of(folder);
    const build = previous === null ? undefined : this.#deps.reads.proven(previous);
    if (!build)
      throw new BerthError('E_IMAGE_PREVIOUS', `group ${folder} has no image before the present one`);
    if (!(await there(build.image))) {
      const image = build.image.slice(7, 19);
      throw new BerthError(
        'E_IMAGE_PREVIOUS',
        `the image of group ${folder} before the present one (${image}) was removed`,
      );
    }
    onGoing();
    await this.use(folder, build, held);
    return build;
  }

  async #switch(folder: string, build: ProvenBuild | undefined, held: string | null): Promise<void> {
    const before = this.of(folder);
    const sameImage = before.current?.image === build?.image;
    const same = sameImage && !before.gone;
    if (!same || before.current?.id !== build?.id || before.held !== held) {
      const change = { folder, build: build?.id ?? null, held, keepPrevious: before.gone || sameImage };
      const row = await this.#deps.writer.run('useImage', { ...change, now: this.#deps.clock.now() });
      Object.assign(this.of(folder), { current: build, previous: row.previous, held: row.held });
    }
    Object.assign(this.of(folder), { gone: false, problem: undefined });
    if (!same) this.#deps.onSwitched(folder);
  }

  #fromRow({ build, previous, held }: GroupImageRow): KnownStanding {
    const current = build === null ? undefined : this.#deps.reads.proven(build);
    return { ...nothing, current, previous, held };
  }
}

const nothing: KnownStanding = {
  current: undefined,
  gone: false,
  pending: false,
  problem: undefined,
  previous: null,
  held: null,
};
