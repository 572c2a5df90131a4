import type Database from 'better-sqlite3';
import { WrongPlaceError } from './open-outbound.ts';

/** A tool in flight, and until when (Unix milliseconds) silence is normal. */
export interface ToolInFlight {
  name: string;
  until: number;
}

/**
 * How much older a sign of life may be told to be, in milliseconds, where nothing else is new: the host counts in minutes, and the
 * row is a page more to be synced for somebody who waits.
 */
const ACTIVITY_MS = 100;

/** What the host is told of this runner: the one row of `runner`. It goes into each commit in which there is something new. */
export class RunnerRow {
  controlSeq = 0;
  parked = 0;
  tool: ToolInFlight | null = null;
  activityAt = Date.now();
  readonly #epoch: number;
  readonly #update: Database.Statement;
  readonly #find: Database.Statement<[number], { epoch: number }>;
  #written: { state: string; activityAt: number } | undefined;

  constructor(db: Database.Database, epoch: number) {
    this.#epoch = epoch;
    this.#update = db.prepare(
      'UPDATE runner SET control_seq = ?, parked = ?, tool = ?, tool_until = ?, activity_at = ? WHERE epoch = ?',
    );
    this.#find = db.prepare('SELECT epoch FROM runner WHERE epoch = ?');
  }

  /** Inside of a commit. @throws WrongPlaceError when a later container has begun to write to this file. */
  write(): void {
    const { controlSeq, parked, tool, activityAt } = this;
    const inFlight = [tool?.name ?? null, tool?.until ?? null];
    const isOurs = this.#isNew()
      ? this.#update.run(controlSeq, parked, ...inFlight, activityAt, this.#epoch).changes > 0
      : this.#find.get(this.#epoch) !== undefined;
    if (!isOurs) throw new WrongPlaceError('a later container works here');
  }

  /** That commit has come to its end. */
  noteWritten(): void {
    if (this.#isNew()) this.#written = { state: this.#state(), activityAt: this.activityAt };
  }

  #isNew(): boolean {
    const written = this.#written;
    if (written?.state !== this.#state()) return true;
    return Math.abs(this.activityAt - written.activityAt) >= ACTIVITY_MS;
  }

  #state(): string {
    const { controlSeq, parked, tool } = this;
    return JSON.stringify([controlSeq, parked, tool]);
  }
}
