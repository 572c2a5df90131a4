import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type Database from 'better-sqlite3';
import type { ControlVerb, InboundBody, MessageKind, SessionBody } from '../contract/bodies.ts';
import { toEnvironment } from '../contract/environment.ts';
import { openMailboxFile } from '../contract/open-mailbox-file.ts';
import { OutboundInvalid } from '../src/mailbox/outbound-invalid.ts';
import { readOutbound } from '../src/mailbox/read-outbound.ts';
import type { OutboundLook } from '../src/mailbox/read-rows.ts';
import { Broken } from './broken.ts';
import { RunnerProcess } from './runner-process.ts';

/** How long the runner may take for anything that it has to do, in milliseconds. */
const LIMIT_MS = 15_000;
/** The pause between two looks at the files, in milliseconds: what takes long is looked at less often. */
const pauseAfter = (waitedMs: number): number => Math.min(5 + waitedMs / 10, 100);
const LOOK_ON_MS = 10;
const STOP_GRACE_MS = 5_000;

export interface RoomOptions {
  command: readonly string[];
  /** What the host says of the agent; its provider is `BERTH_PROVIDER` as well. */
  agent: SessionBody['agent'];
  /** The text of an ordinary message. */
  text: string;
  /** A text on which the runner works for two seconds at least. */
  slow: string | undefined;
}

interface Message {
  id: string;
  text?: string;
  kind?: MessageKind;
  wake?: 0 | 1;
  chat?: string;
  thread?: string | null;
  answers?: string;
}

/** A session's folder with the host's half of it in the checks' hands, and the runner's processes. */
export class SessionRoom {
  readonly options: RoomOptions;
  readonly session = 's_contract_test';
  readonly inbound: Database.Database;
  readonly outboundPath: string;
  readonly heartbeat: string;
  readonly draft: string;
  /** What a check wants to be said beside its result. */
  note = '';
  readonly #root = mkdtempSync(join(tmpdir(), 'berth-contract-test-'));
  readonly #put: [id: string, attempt: number][] = [];
  #runner: RunnerProcess | undefined;
  #epoch = 0;
  #lastSeq = 0;
  #lastControl = 0;

  constructor(options: RoomOptions) {
    this.options = options;
    for (const folder of ['in', 'out', 'group', 'home', 'instructions', 'global'])
      mkdirSync(join(this.#root, folder));
    this.inbound = openMailboxFile(join(this.#root, 'in', 'inbound.db'), 'inbound', LIMIT_MS);
    this.outboundPath = join(this.#root, 'out', 'outbound.db');
    this.heartbeat = join(this.#root, 'out', 'heartbeat');
    this.draft = join(this.#root, 'out', 'draft.json');
    const body: SessionBody = {
      group: 'contract-test',
      agent: options.agent,
      turnLimitMs: 60_000,
      notices: [],
    };
    this.inbound.prepare('INSERT INTO session (only_row, body) VALUES (1, ?)').run(JSON.stringify(body));
  }

  get epoch(): number {
    return this.#epoch;
  }

  get runner(): RunnerProcess {
    if (!this.#runner) throw new Error('no runner was started');
    return this.#runner;
  }

  /** Starts the runner under a new epoch; resolves with its first look, which is its row with that epoch. */
  async start(): Promise<void> {
    this.#epoch += 1;
    const folder = (name: string) => join(this.#root, name);
    const environment = {
      ...{ inDir: folder('in'), outDir: folder('out'), groupDir: folder('group') },
      ...{ session: this.session, group: 'contract-test', groupName: 'Contract test', admin: false },
      ...{ epoch: this.#epoch, provider: this.options.agent.provider },
    };
    this.#runner = new RunnerProcess(this.options.command, {
      ...{ PATH: process.env.PATH, LANG: process.env.LANG, HOME: folder('home'), TZ: 'UTC' },
      ...toEnvironment(environment),
      ...{ BERTH_INSTRUCTIONS_DIR: folder('instructions'), BERTH_GLOBAL_DIR: folder('global') },
      ...{ BERTH_STOP_GRACE_MS: String(STOP_GRACE_MS), BERTH_MAX_FILE: String(25 * 1024 * 1024) },
    });
    await this.until(
      'the row `runner` with BERTH_EPOCH in outbound.db',
      () => this.look()?.epoch === this.#epoch,
    );
  }

  /** Puts messages in, all in one commit; with them controls, where there are some. */
  put(...messages: Message[]): void {
    const insert = this.inbound.prepare(
      'INSERT INTO messages (seq, id, kind, wake, body, created_at) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.inbound.transaction(() => {
      for (const message of messages) {
        const { id, text = this.options.text, kind = 'chat', wake = 1 } = message;
        const { chat = 'chat-1', thread = null, answers } = message;
        const body: InboundBody = {
          ...{ text, sender: { id: 'u1', name: 'Ann' }, chat, thread, files: [], answers },
        };
        this.#lastSeq += 1;
        this.#put.push([id, 1]);
        insert.run(this.#lastSeq, id, kind, wake, JSON.stringify(body), Date.now());
      }
    })();
  }

  raiseAttempt(id: string): void {
    this.inbound.prepare('UPDATE messages SET attempt = attempt + 1 WHERE id = ?').run(id);
    const last = this.#put.filter(([known]) => known === id).length;
    this.#put.push([id, last + 1]);
  }

  control(verb: ControlVerb | string, body: object = {}, epoch = this.#epoch): number {
    this.#lastControl += 1;
    this.inbound
      .prepare('INSERT INTO controls (seq, epoch, verb, body) VALUES (?, ?, ?, ?)')
      .run(this.#lastControl, epoch, verb, JSON.stringify(body));
    return this.#lastControl;
  }

  /** What the host would see now; `undefined` where there is nothing to be seen, or the runner is in mid-commit. */
  look(): OutboundLook | undefined {
    const cursor = { file: null, seq: 0, usage: 0, epoch: 0 };
    const { session } = this;
    const out = join(this.#root, 'out');
    try {
      const found = readOutbound({ out, session, epoch: this.#epoch, cursor, open: this.#put });
      return typeof found === 'string' ? undefined : found;
    } catch (error) {
      if (error instanceof OutboundInvalid)
        throw new Broken(`the host would refuse outbound.db: ${error.message}`);
      throw error;
    }
  }

  /** The same, waited for. */
  async seen(): Promise<OutboundLook> {
    let look: OutboundLook | undefined;
    await this.until('an outbound.db that can be read', () => {
      look = this.look();
      return look !== undefined;
    });
    return look as OutboundLook;
  }

  /** Replies that list the message. */
  repliesTo(look: OutboundLook, id: string): OutboundLook['messages'] {
    return look.messages.filter(({ answers }) => answers.includes(id));
  }

  /** Waits until all of these messages' last attempts are done or failed. @returns what the host sees then. */
  async finished(...ids: string[]): Promise<OutboundLook> {
    let seen: OutboundLook | undefined;
    await this.until(`finished claims of ${ids.join(', ')}`, () => {
      seen = this.look();
      return ids.every((id) => {
        const attempt = this.#put.findLast(([known]) => known === id)?.[1];
        const claim = seen?.claims.find((one) => one.message === id && one.attempt === attempt);
        return claim !== undefined && claim.status !== 'processing';
      });
    });
    return seen as OutboundLook;
  }

  /** Waits for a condition. @throws Broken with the expectation when it does not come true, or the runner has ended. */
  async until(expected: string, holds: () => boolean, limitMs = LIMIT_MS): Promise<void> {
    const began = performance.now();
    while (!holds()) {
      if (this.#runner?.hasEnded) {
        if (holds()) return;
        throw new Broken(`expected ${expected}; the runner ended ${this.#runner.ending()}`);
      }
      const waited = performance.now() - began;
      if (waited > limitMs) throw new Broken(`expected ${expected} within ${limitMs} ms; ${this.#found()}`);
      await pause(pauseAfter(waited));
    }
  }

  /** Looks on for a while. @throws Broken as soon as it does not hold. */
  async holdsFor(ms: number, words: string, holds: () => boolean): Promise<void> {
    const end = performance.now() + ms;
    while (performance.now() < end) {
      if (!holds()) throw new Broken(`${words}; ${this.#found()}`);
      await pause(LOOK_ON_MS);
    }
  }

  /** When the file was written to last; 0 where there is none. */
  touchedAt(path: string): number {
    return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }

  outboundHeader(): Buffer {
    return readFileSync(this.outboundPath).subarray(0, 100);
  }

  /** `outbound.db` for writing, as a runner of before left it. Only while no runner lives. */
  prepareOutbound(work: (db: Database.Database) => void): void {
    const db = openMailboxFile(this.outboundPath, 'outbound', LIMIT_MS);
    work(db);
    db.close();
  }

  async close(): Promise<void> {
    await this.#runner?.end('SIGKILL');
    this.inbound.close();
    rmSync(this.#root, { recursive: true, force: true });
  }

  #found(): string {
    const look = this.look();
    if (!look) return 'outbound.db cannot be read';
    const claims = look.claims.map(({ message, attempt, status }) => `${message}/${attempt} ${status}`);
    const rows = look.messages.map(({ id, answers }) => `${id} → [${answers.join(' ')}]`);
    return `found claims: ${claims.join(', ') || 'none'}; replies: ${rows.join(', ') || 'none'}`.slice(
      0,
      600,
    );
  }
}
