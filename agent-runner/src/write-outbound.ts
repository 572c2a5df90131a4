import type { ErrorClass, OutboundBody } from '../../contract/bodies.ts';
import { isTriedAgain } from '../../contract/retries.ts';
import { Claims } from './claims.ts';
import type { OutboundRow } from './compose-rows.ts';
import type { OpenedOutbound } from './open-outbound.ts';
import { prepareOutbound } from './outbound-statements.ts';
import type { Usage } from './providers/provider.ts';
import type { Settled } from './read-inbound.ts';
import { RunnerRow, type ToolInFlight } from './runner-row.ts';
import type { HostRequest } from './tools/host-requests.ts';
import { type KeptQuestion, QUESTION } from './tools/open-questions.ts';

/** A message as claims know it. */
export interface Claimed {
  id: string;
  attempt: number;
}

export interface Failure {
  /** For a person. */
  error: string;
  errorClass: ErrorClass;
  /** Unix milliseconds. */
  retryAt: number | null;
}

/** What a turn leaves beside its replies. */
export interface Outcome {
  usage: Usage[];
  remember: Record<string, string | null>;
}

/** The number of the conversation that the rest of `memory` belongs to. */
const CONVERSATION = 'conversation';
/** Keys of the agent's own notes begin so: they outlive a conversation. */
const NOTE = 'note:';

/**
 * The only writer of `outbound.db`. Every method is one durable transaction.
 * @throws WrongPlaceError once a later container works here: an engine that was killed may have lost sight of this one.
 */
export class OutboundWriter {
  /** All claims of the file, whatever their status. */
  readonly claims = new Claims();
  readonly #opened: OpenedOutbound;
  readonly #epoch: number;
  readonly #sql: ReturnType<typeof prepareOutbound>;
  readonly #row: RunnerRow;

  constructor(opened: OpenedOutbound, epoch: number) {
    this.#opened = opened;
    this.#epoch = epoch;
    this.#sql = prepareOutbound(opened.db);
    this.#row = new RunnerRow(opened.db, epoch);
    for (const { id, attempt, errorClass } of this.#sql.claims.all())
      this.claims.add(id, attempt, isTriedAgain(errorClass, attempt));
  }

  get parked(): boolean {
    return this.#row.parked === 1;
  }

  /** Takes messages up, with a tool in flight from the start where there is one. Whoever works is not parked. */
  claim(messages: readonly Claimed[], tool?: ToolInFlight): void {
    this.#row.parked = 0;
    this.#row.tool = tool ?? this.#row.tool;
    this.#alive();
    this.#commit(() => {
      for (const message of messages) this.#putClaim(message, 'processing', null);
    });
  }

  /** Takes up answers to `system` requests: they need no turn. */
  take(answers: readonly Claimed[]): void {
    this.#commit(() => {
      for (const answer of answers) this.#putClaim(answer, 'done', null);
    });
  }

  /**
   * Ends a turn: its replies and its messages' `done` in the one transaction that makes both true.
   * @param goesOn other messages of it are still open.
   */
  finish(messages: readonly Claimed[], rows: readonly OutboundRow[], outcome: Outcome, goesOn = false): void {
    if (!goesOn) this.#row.tool = null;
    this.#alive();
    this.#commit((now) => {
      for (const row of rows) this.#putRow(row, now);
      for (const message of messages) this.#putClaim(message, 'done', null);
      for (const usage of outcome.usage) this.#putUsage(usage, messages.at(-1)?.id ?? null, now);
      for (const [key, value] of Object.entries(outcome.remember)) this.#putMemory(key, value);
    });
  }

  /** Ends a turn with a reason. */
  fail(messages: readonly Claimed[], failure: Failure): void {
    this.#row.tool = null;
    this.#alive();
    this.#commit(() => {
      for (const message of messages) this.#putClaim(message, 'failed', failure);
    });
  }

  /** Ends messages that never had a turn. */
  refuse(messages: readonly Claimed[], failure: Failure): void {
    this.#commit(() => {
      for (const message of messages) this.#putClaim(message, 'failed', failure);
    });
  }

  /** Says something in mid-turn. */
  send(row: OutboundRow): void {
    this.#alive();
    this.#commit((now) => this.#putRow(row, now));
  }

  /** Asks a person, and keeps what was asked. Asked before: nothing is done. */
  ask(row: OutboundRow, kept: KeptQuestion): void {
    this.#alive();
    this.#commit((now) => {
      this.#putRow(row, now);
      this.#putMemory(QUESTION + row.id, JSON.stringify(kept));
      this.#sql.forgetOld.run(`${QUESTION}*`);
    });
  }

  /** Asks the host for something. */
  request({ id, inReplyTo, ...body }: HostRequest): void {
    this.#alive();
    this.#commit((now) =>
      this.#sql.message.run(id, this.#epoch, 'system', inReplyTo, null, JSON.stringify(body), now),
    );
  }

  /** The agent's own notes. */
  notes(): Record<string, string> {
    const rows = this.#sql.recallAll.all(`${NOTE}*`);
    return Object.fromEntries(rows.map(({ key, value }) => [key.slice(NOTE.length), value]));
  }

  /** A sign of life of the provider; with a tool that begins (or `null`: ends) where there is one. */
  showLife(tool?: ToolInFlight | null): void {
    if (tool !== undefined) this.#row.tool = tool;
    this.#alive();
    this.#commit(() => {});
  }

  /** Notes a control as obeyed. */
  obeyed(controlSeq: number, parked: boolean): void {
    this.#row.controlSeq = controlSeq;
    this.#row.parked = parked ? 1 : 0;
    this.#commit(() => {});
  }

  recall(key: string): string | undefined {
    return this.#sql.recall.get(key)?.value;
  }

  remember(key: string, value: string | null): void {
    this.#commit(() => this.#putMemory(key, value));
  }

  /** Forgets all but the agent's own notes and what it asked, unless this conversation was begun before. @returns whether it is new. */
  converse(conversation: number): boolean {
    if (Number(this.recall(CONVERSATION) ?? 0) === conversation) return false;
    this.#commit(() => {
      this.#sql.forgetAll.run(`${NOTE}*`, `${QUESTION}*`);
      this.#putMemory(CONVERSATION, String(conversation));
    });
    return true;
  }

  /** True when the host speaks of this file, and not of one that was here before. */
  isOurs(settled: Settled): boolean {
    return settled.file === this.#opened.fileId;
  }

  /** Removes what the host has, and claims of messages that are gone. Not while a turn runs. */
  prune(settled: Settled, inboundIds: ReadonlySet<string>): void {
    this.#sql.commit.immediate(() => {
      if (this.isOurs(settled)) {
        this.#sql.pruneMessages.run(settled.seq);
        this.#sql.pruneUsage.run(settled.usage);
      }
      for (const id of this.claims.keepOnly(inboundIds)) this.#sql.pruneClaims.run(id);
    });
  }

  /** Ids of the replies that lie there. */
  rowIds(): Set<string> {
    return new Set(this.#sql.rowIds.all().map((row) => row.id));
  }

  close(): void {
    this.#opened.db.close();
  }

  #commit(work: (now: number) => void): void {
    const now = Date.now();
    this.#sql.commit.immediate(() => {
      work(now);
      this.#row.write();
    });
    this.#row.noteWritten();
  }

  /** Goes into the commit that follows. Controls are no sign of life: a nudge must not pass for one. */
  #alive(): void {
    this.#row.activityAt = Date.now();
  }

  #putRow(row: OutboundRow, now: number): void {
    const body: OutboundBody = { text: row.text, files: row.files, answers: row.answers };
    if (row.silent) body.silent = true;
    if (row.question) body.question = row.question;
    this.#sql.message.run(
      row.id,
      this.#epoch,
      'chat',
      row.inReplyTo,
      row.destination,
      JSON.stringify(body),
      now,
    );
  }

  #putClaim({ id, attempt }: Claimed, status: string, failure: Failure | null): void {
    const { error, errorClass, retryAt } = failure ?? { error: null, errorClass: null, retryAt: null };
    this.#sql.claim.run(id, attempt, this.#epoch, status, error, errorClass, retryAt, Date.now());
    this.claims.add(id, attempt, isTriedAgain(errorClass, attempt));
  }

  #putUsage(usage: Usage, messageId: string | null, now: number): void {
    const { model, inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, costUsd, durationMs } =
      usage;
    const numbers = [inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, costUsd, durationMs];
    this.#sql.usage.run(messageId, this.#epoch, model ?? null, ...numbers.map((one) => one ?? null), now);
  }

  #putMemory(key: string, value: string | null): void {
    if (value === null) this.#sql.forget.run(key);
    else this.#sql.remember.run(key, value);
  }
}
