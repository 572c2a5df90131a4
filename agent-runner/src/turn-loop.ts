import type { SessionBody } from '../../contract/bodies.ts';
import type { RunnerEnvironment } from '../../contract/environment.ts';
import { chooseTurn, startsTurn } from './choose-turn.ts';
import { lingeringProcesses } from './lingering-processes.ts';
import { LookAgain } from './look-again.ts';
import { obeyControl } from './obey-control.ts';
import { isSlashCommand } from './providers/describe-messages.ts';
import { pruneFiles } from './prune-files.ts';
import { type InboundHeader, type InboundReader, isPassing, type Look } from './read-inbound.ts';
import { readSession } from './read-session.ts';
import { RunningTurn, type TurnDeps } from './running-turn.ts';

/** Pruning is a commit: it waits until there is something to gain. */
const PRUNE_ROWS = 500;
/** The host comes for the first reply: the first pruning is out of its way. */
const AFTER_REPLY_MS = 1000;

export interface TurnLoopDeps extends Omit<TurnDeps, 'onTakesMore'> {
  environment: RunnerEnvironment;
  reader: InboundReader;
  /** Differs whenever `inbound.db` was written; see `watch-inbound.ts`. */
  counter(): number;
  /** The host's control `stop`. */
  onStop(): void;
}

/**
 * Looks, obeys controls, and runs one turn at a time.
 *
 * Everything starts from a look at `inbound.db`, and a look may come at any time and any number of times: when a
 * change was noticed, when a turn has ended, when the host held its lock the last time. Whether there is work is decided
 * by rows alone. Once parked, no database is touched until the files have changed since the last look.
 */
export class TurnLoop {
  readonly #deps: TurnLoopDeps;
  readonly #again = new LookAgain(() => this.look());
  #turn: RunningTurn | undefined;
  #lastControl = 0;
  /** The counter before the last look. */
  #seen = -1;
  #session: { json: string; body: SessionBody } | undefined;
  /** What the last pruning left: the host's cursor and the number of claims. */
  #pruned: { seq: number; claims: number } | undefined;
  /** Since a turn ended, and nothing was pruned yet. */
  #pruneTimer: NodeJS.Timeout | undefined;
  /** The first pruning waits for nothing more. */
  #pruneIsDue = false;
  /** True when the last look saw more than it took. */
  #left = false;
  #stopping = false;

  constructor(deps: TurnLoopDeps) {
    this.#deps = deps;
  }

  /** Looks now, or soon when the host is in the middle of a commit. */
  look(): void {
    const { writer, counter } = this.#deps;
    const before = counter();
    if (writer.parked && before === this.#seen) return;
    const look = this.#tryLook();
    if (look) this.#handle(look, before);
    else this.#again.afterRefusal();
  }

  /** Takes no new turn; the running one gets `patienceMs` to end, and is then given up without a claim. */
  async stop(patienceMs: number): Promise<void> {
    this.#stopping = true;
    const giveUp = setTimeout(() => this.#turn?.cancel('stop'), patienceMs);
    await this.#turn?.ended;
    clearTimeout(giveUp);
    clearTimeout(this.#pruneTimer);
    this.#again.cancel();
  }

  #tryLook(): Look | undefined {
    try {
      return this.#deps.reader.look(this.#lastControl, (free, session) =>
        this.#choose(free, this.#body(session)),
      );
    } catch (error) {
      if (isPassing(error)) return undefined;
      throw error;
    }
  }

  #handle(look: Look, counter: number): void {
    const { writer, desk } = this.#deps;
    this.#again.cancel();
    this.#seen = counter;
    const answers = look.replies;
    if (answers.length > 0) writer.take(answers);
    for (const reply of look.replies) desk.hear(reply);
    const taken = this.#turn ? 0 : look.chosen.length;
    this.#left = look.free.length > answers.length + taken;
    if (look.controls.length > 0) {
      this.#obey(look);
      return;
    }
    if (!this.#turn) this.#prune(look);
    if (look.chosen.length === 0) return;
    if (this.#turn) this.#turn.offer(look.chosen);
    else this.#begin(look);
  }

  #choose(free: InboundHeader[], session: SessionBody): InboundHeader[] {
    const turn = this.#turn;
    if (this.#stopping) return [];
    const { module } = this.#deps.seat;
    const rules = { most: Number.POSITIVE_INFINITY, commandsAlone: module?.wantsSlashCommands ?? false };
    if (!turn) return chooseTurn(free, { ...rules, most: module?.messagesPerTurn(session) ?? rules.most });
    const answers = free.filter((one) => turn.awaits(one.answers));
    const isAlone = rules.commandsAlone && isSlashCommand(turn.home);
    if (!turn.takesMore || isAlone) return answers;
    const joins = (one: InboundHeader): boolean =>
      one.chat === turn.home.chat && (!one.wake || one.thread === turn.home.thread) && !answers.includes(one);
    return [...answers, ...chooseTurn(free.filter(joins), rules)];
  }

  #body(json: string): SessionBody {
    if (this.#session?.json === json) return this.#session.body;
    const body = readSession(json, this.#deps.environment);
    this.#session = { json, body };
    return body;
  }

  #obey(look: Look): void {
    const { writer, seat, onStop } = this.#deps;
    const lingering = () => lingeringProcesses(seat.processes());
    for (const control of look.controls) {
      const due = this.#turn !== undefined || look.free.some(startsTurn);
      const deps = { writer, turn: this.#turn, free: look.free, due, lingering, onStop };
      obeyControl(deps, control);
      this.#lastControl = control.seq;
    }
    this.look();
  }

  #begin(look: Look): void {
    const session = this.#session?.body ?? readSession('{}', this.#deps.environment);
    const turn = new RunningTurn(
      { ...this.#deps, onTakesMore: () => this.#lookForMore() },
      look.chosen,
      session,
    );
    this.#turn = turn;
    // What cannot be written ends the process: the messages are taken up again by the next.
    void turn.ended.then(() => {
      this.#turn = undefined;
      if (!this.#pruned) this.#pruneSoon();
      // A look for nothing would be in the way of the host's next commit, which comes right after a reply.
      if (this.#left || this.#deps.counter() !== this.#seen) this.look();
    });
  }

  /** What came while the provider started lies there since: no change will tell of it. Not in the midst of a look. */
  #lookForMore(): void {
    if (this.#left) queueMicrotask(() => this.look());
  }

  /** Nothing else is sure to make a look in which no message is chosen. */
  #pruneSoon(): void {
    clearTimeout(this.#pruneTimer);
    this.#pruneTimer = setTimeout(() => {
      this.#pruneIsDue = true;
      this.look();
    }, AFTER_REPLY_MS);
  }

  #prune({ settled, chosen }: Look): void {
    const { writer, reader } = this.#deps;
    if (this.#pruned) {
      const rows = writer.isOurs(settled) ? settled.seq - this.#pruned.seq : 0;
      if (rows <= PRUNE_ROWS && writer.claims.size - this.#pruned.claims <= PRUNE_ROWS) return;
    } else if (chosen.length > 0 && !this.#pruneIsDue) {
      return; // The first time waits for a quiet moment: somebody woke us and waits for the reply.
    }
    writer.prune(settled, reader.ids());
    pruneFiles(this.#deps.outDir, writer.rowIds());
    this.#pruned = { seq: writer.isOurs(settled) ? settled.seq : 0, claims: writer.claims.size };
  }
}
