import type { ContainerExit } from './engine.ts';

/** One run of a container. Its name is used again by the next one of its session, the id is not. */
export interface ContainerRun {
  id: string;
  name: string;
  epoch: number;
}

type ExitDetails = Pick<ContainerExit, 'code' | 'oomKilled' | 'engineAway'>;

/** Keeps which runs live and which exits were told, so that events and lists together tell each exit once. */
export class ExitBook {
  #living = new Map<string, ContainerRun>();
  #told = new Set<string>();
  #tell: (exit: ContainerExit) => void;

  constructor(tell: (exit: ContainerExit) => void) {
    this.#tell = tell;
  }

  started(run: ContainerRun): void {
    // A list may be older than the event of the exit.
    if (!this.#told.has(run.id)) this.#living.set(run.id, run);
  }

  /** @param details asked for once, when the exit is news. */
  async ended(run: ContainerRun, details: () => Promise<ExitDetails>): Promise<void> {
    const { id, name, epoch } = run;
    this.#living.delete(id);
    if (this.#told.has(id)) return;
    this.#told.add(id);
    this.#tell({ name, epoch, ...(await details()) });
  }

  living(): ContainerRun[] {
    return [...this.#living.values()];
  }

  /** Forgets told exits of containers that the engine no longer lists: nothing will speak of them again. */
  forgetAllBut(listed: ContainerRun[]): void {
    this.#told = this.#told.intersection(new Set(listed.map(({ id }) => id)));
  }
}
