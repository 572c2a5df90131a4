import type { ContainerExit } from './engine.ts';

/** One run of a container: a name is used again, each time with a higher epoch. */
export interface ContainerRun {
  name: string;
  epoch: number;
}

type ExitDetails = Pick<ContainerExit, 'code' | 'oomKilled'>;

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
    if (!this.#told.has(keyOf(run))) this.#living.set(keyOf(run), run);
  }

  /** @param details asked for once, when the exit is news. */
  async ended(run: ContainerRun, details: () => Promise<ExitDetails>): Promise<void> {
    const key = keyOf(run);
    this.#living.delete(key);
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#tell({ ...run, ...(await details()) });
  }

  living(): ContainerRun[] {
    return [...this.#living.values()];
  }

  /** Forgets told exits of containers that the engine no longer lists: nothing will speak of them again. */
  forgetAllBut(listed: ContainerRun[]): void {
    this.#told = this.#told.intersection(new Set(listed.map(keyOf)));
  }
}

function keyOf({ name, epoch }: ContainerRun): string {
  return `${name} ${epoch}`;
}
