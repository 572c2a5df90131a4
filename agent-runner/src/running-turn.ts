import { mkdirSync, promises } from 'node:fs';
import { join } from 'node:path';
import type { SessionBody } from '../../contract/bodies.ts';
import { newId } from '../../contract/ids.ts';
import { askedThere, firstAsked } from './asked-messages.ts';
import { type ComposedRow, composeRows, type OutboundRow } from './compose-rows.ts';
import { DraftFile } from './draft-file.ts';
import type { ProviderSeat } from './provider-seat.ts';
import type { Provider, TurnEvents, TurnMessage, TurnResult } from './providers/provider.ts';
import { TurnError } from './providers/turn-error.ts';
import { type StoreFilesDeps, storeFiles, storeNothing } from './store-files.ts';
import type { TurnDesk } from './tools/turn-desk.ts';
import { turnEvents } from './turn-events.ts';
import { type CancelReason, describeFailure } from './turn-failure.ts';
import type { OutboundWriter } from './write-outbound.ts';

/** What a cancelled turn runs gets this long to end by itself; at the end of the container there is less time. */
const KILL_AFTER_MS = { limit: 2000, abort: 2000, stop: 400 } as const;
/** A provider that has not ended its turn so long after that is given up and started anew. */
const GIVE_UP_MS = 400;
/** `setTimeout` takes no more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface TurnDeps extends StoreFilesDeps {
  seat: ProviderSeat;
  writer: OutboundWriter;
  desk: TurnDesk;
  /** The provider has begun: what it could not take before may be offered again. */
  onTakesMore(): void;
}

type Ending = { result: TurnResult; rows: OutboundRow[] } | { error: unknown };

/** One turn, from the claim to `done` or `failed`. */
export class RunningTurn {
  /** Resolves once the claims are settled, or were left open because of `stop`. Rejects only when they cannot be written. */
  readonly ended: Promise<void>;
  /** The message that it began with. */
  readonly home: TurnMessage;
  readonly #deps: TurnDeps;
  readonly #session: SessionBody;
  /** What it has claimed and not yet answered. */
  readonly #messages: TurnMessage[];
  /** Ids of answers that were heard by who asked, and not by the provider. */
  readonly #heard = new Set<string>();
  readonly #filesDir: string;
  readonly #draft: DraftFile;
  readonly #stuck = Promise.withResolvers<never>();
  #provider: Provider | undefined;
  #cancelled: CancelReason | undefined;
  #words: string | undefined;
  #madeFilesDir = false;
  #over = false;

  /** Claims the messages, durably, and lets the provider begin. */
  constructor(deps: TurnDeps, messages: TurnMessage[], session: SessionBody) {
    this.#deps = deps;
    this.#messages = messages.map((message) => this.#withQuestion(message));
    this.#session = session;
    this.home = firstAsked(messages);
    this.#filesDir = join(deps.outDir, 'files', newId('turn'));
    this.#draft = new DraftFile(deps);
    this.#stuck.promise.catch(() => {});
    const silent = !deps.seat.showsLife(session);
    deps.writer.claim(
      messages,
      silent ? { name: deps.seat.name, until: Date.now() + session.turnLimitMs } : undefined,
    );
    const isOver = (): boolean => this.#over || this.#cancelled !== undefined;
    deps.desk.begin({ home: this.home, messages: this.#messages, session, startedAt: Date.now(), isOver });
    this.ended = this.#run();
  }

  has(messageId: string): boolean {
    return this.#messages.some((message) => message.id === messageId);
  }

  /** Ends the turn before its time; of several reasons the first holds. @param words the reason, for a person. */
  cancel(reason: CancelReason, words?: string): void {
    if (this.#cancelled || this.#over) return;
    this.#cancelled = reason;
    this.#words = words;
    const killAfter = KILL_AFTER_MS[reason];
    this.#deps.desk.end();
    this.#provider?.abort(killAfter);
    setTimeout(() => this.#giveUp(), killAfter + GIVE_UP_MS).unref();
  }

  /** True when messages that come now can join. */
  get takesMore(): boolean {
    return this.#provider?.push !== undefined && !this.#cancelled && !this.#over;
  }

  /** True for a message that answers a question on which this turn waits: it belongs to the turn, whoever answers it. */
  awaits(question: string | undefined): boolean {
    return !this.#cancelled && !this.#over && this.#deps.desk.questions.awaits(question);
  }

  /** Hands messages over; they are claimed only when the provider, or a question of its agent, has really taken them. */
  offer(messages: TurnMessage[]): void {
    const answers = messages.filter((message) => this.awaits(message.answers));
    if (answers.length > 0) this.#join(answers);
    for (const answer of answers) {
      this.#heard.add(answer.id);
      this.#deps.desk.questions.hear(answer);
    }
    const rest = messages
      .filter((message) => !answers.includes(message))
      .map((message) => this.#withQuestion(message));
    if (rest.length > 0 && this.takesMore && this.#provider?.push?.(rest)) this.#join(rest);
  }

  /** Hands over a text as if a person had written it; nobody waits for an answer to it. */
  nudge(id: string, text: string): void {
    if (!this.takesMore) return;
    const { attempt, kind, sender, chat, thread } = this.#lastAsked();
    const place = { attempt, kind, sender, chat, thread };
    this.#provider?.push?.([{ ...place, id, text, context: true, files: [], createdAt: Date.now() }]);
  }

  #join(messages: TurnMessage[]): void {
    this.#messages.push(...messages);
    this.#deps.writer.claim(messages);
  }

  /** An answer that comes after its turn is read beside what was asked. */
  #withQuestion(message: TurnMessage): TurnMessage {
    const asked = message.answers && this.#deps.desk.question(message.answers);
    return asked ? { ...message, question: asked.text } : message;
  }

  async #run(): Promise<void> {
    const limit = setTimeout(
      () => this.cancel('limit'),
      Math.min(this.#session.turnLimitMs, LONGEST_TIMER_MS),
    );
    const ending = await Promise.race([this.#answer(), this.#stuck.promise]).catch((error: unknown) => ({
      error,
    }));
    clearTimeout(limit);
    this.#over = true;
    this.#deps.desk.end();
    this.#settle(ending);
    this.#draft.end();
    if (this.#madeFilesDir) await promises.rm(this.#filesDir, { recursive: true, force: true });
  }

  async #answer(): Promise<Ending> {
    this.#provider = await this.#deps.seat.get(this.#session);
    if (this.#cancelled) throw new Error('cancelled before it began');
    const attempt = Math.max(...this.#messages.map((message) => message.attempt));
    const turn = {
      messages: [...this.#messages],
      attempt,
      session: this.#session,
      filesDir: () => this.#makeFilesDir(),
    };
    const running = this.#provider.runTurn(turn, this.#events());
    this.#offerAgain();
    const result = await running;
    const rows = composeRows(this.#messages, result.replies, this.home);
    return { result, rows: hasFiles(rows) ? await storeFiles(this.#deps, rows) : rows.map(storeNothing) };
  }

  #events(): TurnEvents {
    return turnEvents({
      ...this.#deps,
      draft: this.#draft,
      isOver: () => this.#over,
      lastAsked: () => this.#lastAsked(),
      // One that has to start something first takes more only now.
      onBegun: () => this.#offerAgain(),
      answer: (part) => this.#answerSome(part),
    });
  }

  #offerAgain(): void {
    if (this.takesMore) this.#deps.onTakesMore();
  }

  #lastAsked(): TurnMessage {
    return askedThere(this.home, this.#messages).at(-1) ?? this.home;
  }

  /** Answers what the replies list, and what was heard before them; the provider works on for the others. */
  async #answerSome({ replies, usage = [], remember = {} }: TurnResult): Promise<void> {
    const listed = new Set([...this.#heard, ...replies.flatMap((reply) => reply.answers ?? [])]);
    const answered = this.#messages.filter(({ id }) => listed.has(id));
    const rows = composeRows(answered, replies, this.home);
    const stored = hasFiles(rows) ? await storeFiles(this.#deps, rows) : rows.map(storeNothing);
    if (this.#over || this.#cancelled) throw new Error('the turn is over');
    this.#deps.writer.finish(answered, stored, { usage, remember }, true);
    const open = this.#messages.filter(({ id }) => !listed.has(id));
    this.#messages.splice(0, this.#messages.length, ...open);
  }

  #settle(ending: Ending): void {
    const { writer, log } = this.#deps;
    if ('rows' in ending && !this.#cancelled) {
      const { usage = [], remember = {} } = ending.result;
      writer.finish(this.#messages, ending.rows, { usage, remember });
      return;
    }
    const error = 'error' in ending ? ending.error : undefined;
    if (error && !this.#cancelled && !(error instanceof TurnError)) log(String((error as Error).stack));
    // Left `processing`, the messages are taken up again by the next start: stopping a container fails nobody's turn.
    if (this.#cancelled === 'stop') return;
    const failure = describeFailure(error, this.#cancelled, this.#session.turnLimitMs, this.#words);
    log(`turn failed (${failure.errorClass}): ${failure.error}`);
    writer.fail(this.#messages, failure);
  }

  /** The next turn gets a provider that is started anew. */
  #giveUp(): void {
    if (this.#over) return;
    const { seat, log } = this.#deps;
    seat.empty().catch((error: Error) => log(`closing the provider failed: ${error.message}`));
    this.#stuck.reject(new Error('the provider does not end its turn'));
  }

  #makeFilesDir(): string {
    mkdirSync(this.#filesDir, { recursive: true });
    this.#madeFilesDir = true;
    return this.#filesDir;
  }
}

function hasFiles(rows: readonly ComposedRow[]): boolean {
  return rows.some((row) => row.files.length > 0);
}
