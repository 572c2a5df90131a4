import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { ControlVerb, Destination, InboundBody, MessageKind } from '../../contract/bodies.ts';
import type { Claims } from './claims.ts';
import { isSlashCommand } from './providers/describe-messages.ts';
import type { TurnMessage } from './providers/provider.ts';

/** What is known of a message without its text. */
export interface InboundHeader {
  seq: number;
  id: string;
  attempt: number;
  kind: MessageKind;
  wake: boolean;
  chat: string;
  thread: string | null;
  bytes: number;
  /** A person's `/command` to the agent. */
  command: boolean;
  /** The question, or the request, that it answers. */
  answers: string | undefined;
}

/** The host's answer to a request. */
export interface HostReply {
  id: string;
  attempt: number;
  answers: string;
  ok: boolean;
  result?: unknown;
  error?: { code: string; message: string } | undefined;
}

export interface Control {
  seq: number;
  verb: ControlVerb;
  body: { message_id?: string; text?: string };
}

/** Up to where the host has what we wrote. */
export interface Settled {
  file: string | null;
  seq: number;
  usage: number;
}

/** What one look at `inbound.db` saw, all of one moment. */
export interface Look {
  /** Messages that may be taken up, oldest first. */
  free: InboundHeader[];
  /** The chosen ones, with their text. */
  chosen: TurnMessage[];
  /** The host's answers to requests; they are among the free ones too. */
  replies: HostReply[];
  /** Controls of our epoch that are younger than the last one obeyed. */
  controls: Control[];
  settled: Settled;
}

interface InboundReaderDeps {
  inDir: string;
  epoch: number;
  claims: Claims;
}

/**
 * Reads `inbound.db` through one read-only connection. What a look costs depends on the rows that lie there, which the
 * host removes once they are answered, and not on the session's history: only `seq` and `attempt` of every row are read
 * each time, because an attempt may be raised on any row, and the rest once.
 */
export class InboundReader {
  readonly #deps: InboundReaderDeps;
  readonly #db: Database.Database;
  /** Prepared at the first look: preparing reads the schema, and may meet the host's lock like any look. */
  #statements: ReturnType<typeof prepare> | undefined;
  #known = new Map<number, InboundHeader>();

  /** @throws SqliteError when the file is not there. */
  constructor(deps: InboundReaderDeps) {
    this.#deps = deps;
    this.#db = new Database(join(deps.inDir, 'inbound.db'), {
      readonly: true,
      fileMustExist: true,
      timeout: 0,
    });
  }

  /**
   * One look, in one read transaction.
   * @param afterControl seq of the last control that needs no more attention.
   * @param choose which of the free messages to read whole, given what the host says of the session (JSON text); not
   *   called while there are controls to obey first.
   * @throws SqliteError; see {@link isPassing}.
   */
  look(afterControl: number, choose: (free: InboundHeader[], session: string) => InboundHeader[]): Look {
    this.#statements ??= prepare(this.#db);
    const sql = this.#statements;
    return sql.atOneMoment(() => {
      const free = this.#free(sql);
      const controls = sql.controls.all(this.#deps.epoch, afterControl).map(toControl);
      const session = sql.session.get() ?? { file: null, seq: 0, usage: 0, body: '{}' };
      const chosen =
        controls.length > 0 ? [] : choose(free, session.body).map((header) => this.#read(sql, header));
      return {
        free,
        chosen,
        replies: free.filter(({ kind }) => kind === 'system').map((header) => readReply(sql, header)),
        controls,
        settled: { file: session.file, seq: session.seq, usage: session.usage },
      };
    }) as Look;
  }

  /** Where the session may send. @throws SqliteError; see {@link isPassing}. */
  destinations(): Destination[] {
    this.#statements ??= prepare(this.#db);
    return this.#statements.destinations.all().map((row) => ({ ...row, isDefault: row.isDefault !== 0 }));
  }

  /** Ids of the messages that lay there at the last look. */
  ids(): Set<string> {
    return new Set([...this.#known.values()].map((header) => header.id));
  }

  close(): void {
    this.#db.close();
  }

  #free(sql: ReturnType<typeof prepare>): InboundHeader[] {
    const known = new Map<number, InboundHeader>();
    for (const [seq, attempt] of sql.list.all()) {
      const before = this.#known.get(seq);
      known.set(seq, before?.attempt === attempt ? before : toHeader(sql.row.get(seq) as Row));
    }
    this.#known = known;
    return this.#unclaimed([...known.values()]);
  }

  /** What no claim has taken, except what has to wait behind a message of its chat and thread that is tried again. */
  #unclaimed(headers: InboundHeader[]): InboundHeader[] {
    const { claims } = this.#deps;
    if (!claims.someWait) return headers.filter(({ id, attempt }) => !claims.has(id, attempt));
    const held = new Set<string>();
    return headers.filter(({ id, attempt, kind, chat, thread }) => {
      const place = JSON.stringify([chat, thread]);
      if (claims.waitsForRetry(id, attempt)) held.add(place);
      return !claims.has(id, attempt) && (kind === 'system' || !held.has(place));
    });
  }

  #read(sql: ReturnType<typeof prepare>, header: InboundHeader): TurnMessage {
    const row = sql.row.get(header.seq) as Row;
    const body = JSON.parse(row.body) as InboundBody;
    return {
      id: header.id,
      attempt: header.attempt,
      kind: header.kind,
      context: !header.wake,
      text: body.text ?? '',
      sender: body.sender ?? { id: 'unknown' },
      chat: header.chat,
      thread: header.thread,
      files: (body.files ?? []).map((file) => ({ ...file, path: join(this.#deps.inDir, file.path) })),
      createdAt: row.created_at,
      answers: body.answers,
    };
  }
}

/** True for an error that says "look again shortly": the host is in the middle of a commit, or was killed in one. */
export function isPassing(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return (
    typeof code === 'string' &&
    /^SQLITE_(BUSY|LOCKED|READONLY_ROLLBACK|READONLY_RECOVERY|PROTOCOL)/.test(code)
  );
}

interface Row {
  seq: number;
  id: string;
  attempt: number;
  kind: string;
  wake: number;
  body: string;
  created_at: number;
}

function prepare(db: Database.Database) {
  return {
    list: db.prepare<[], [number, number]>('SELECT seq, attempt FROM messages ORDER BY seq').raw(),
    row: db.prepare<[number], Row>(
      'SELECT seq, id, attempt, kind, wake, body, created_at FROM messages WHERE seq = ?',
    ),
    controls: db.prepare<[number, number], { seq: number; verb: string; body: string }>(
      'SELECT seq, verb, body FROM controls WHERE epoch = ? AND seq > ? ORDER BY seq',
    ),
    destinations: db.prepare<[], { name: string; kind: string; title: string | null; isDefault: number }>(
      'SELECT name, kind, title, is_default AS isDefault FROM destinations ORDER BY is_default DESC, name',
    ),
    session: db.prepare<[], { file: string | null; seq: number; usage: number; body: string }>(
      'SELECT settled_file AS file, settled_seq AS seq, settled_usage AS usage, body FROM session',
    ),
    atOneMoment: db.transaction((work: () => unknown) => work()),
  };
}

function toHeader(row: Row): InboundHeader {
  const body = JSON.parse(row.body) as Partial<InboundBody>;
  const { text = '', files = [], answers } = body;
  return {
    seq: row.seq,
    id: row.id,
    attempt: row.attempt,
    kind: row.kind as MessageKind,
    wake: row.wake !== 0,
    chat: body.chat ?? '',
    thread: body.thread ?? null,
    bytes: row.body.length,
    command: isSlashCommand({ kind: row.kind as MessageKind, text, files, answers }),
    answers,
  };
}

function readReply(sql: ReturnType<typeof prepare>, { seq, id, attempt }: InboundHeader): HostReply {
  const { body } = sql.row.get(seq) as Row;
  const { answers = '', ok, result, error } = JSON.parse(body) as Partial<HostReply>;
  return { id, attempt, answers, ok: ok === true, result, error };
}

function toControl(row: { seq: number; verb: string; body: string }): Control {
  return { seq: row.seq, verb: row.verb as ControlVerb, body: JSON.parse(row.body) as Control['body'] };
}
