import { promises } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Destination, MOST_DESTINATIONS, type SessionBody } from '../../../contract/bodies.ts';
import type { RunnerEnvironment } from '../../../contract/environment.ts';
import { newId } from '../../../contract/ids.ts';
import { SendPace } from '../../../contract/send-pace.ts';
import { askedThere } from '../asked-messages.ts';
import { composeRow, type OutboundRow } from '../compose-rows.ts';
import type { Reply, TurnMessage } from '../providers/provider.ts';
import { type HostReply, type InboundReader, isPassing } from '../read-inbound.ts';
import { type StoreFilesDeps, storeFiles } from '../store-files.ts';
import type { OutboundWriter } from '../write-outbound.ts';
import type { AgentDesk, HostAnswer, Question, SessionFacts } from './agent-desk.ts';
import { HostRequests } from './host-requests.ts';
import { keepNote } from './notes.ts';
import { type KeptQuestion, keptQuestion, OpenQuestions, questionId } from './open-questions.ts';

/** How long a look at `inbound.db` is tried again while the host writes there. */
const BUSY_MS = 2000;

/** The turn that runs, as far as the agent's acts depend on it. */
export interface TurnInHand {
  /** The message that it began with. */
  readonly home: TurnMessage;
  /** What it has not answered yet. */
  readonly messages: readonly TurnMessage[];
  readonly session: SessionBody;
  /** Unix milliseconds. */
  readonly startedAt: number;
  isOver(): boolean;
}

export interface TurnDeskDeps extends StoreFilesDeps {
  environment: RunnerEnvironment;
  writer: OutboundWriter;
  reader: Pick<InboundReader, 'destinations'>;
  /** Looks at once: what a call waits for may lie there already. */
  look(): void;
}

/** What the agent of the running turn does through its tools. Beside the turns themselves, all that it sends goes through here. */
export class TurnDesk implements AgentDesk {
  readonly questions = new OpenQuestions();
  readonly #deps: TurnDeskDeps;
  readonly #requests = new HostRequests();
  readonly #pace = new SendPace();
  #turn: TurnInHand | undefined;

  constructor(deps: TurnDeskDeps) {
    this.#deps = deps;
  }

  begin(turn: TurnInHand): void {
    this.#turn = turn;
  }

  /** The turn is over: what waits for answers waits no longer. */
  end(): void {
    this.#turn = undefined;
    this.questions.close();
  }

  /** The host has answered a request. */
  hear(reply: HostReply): void {
    this.#requests.hear(reply);
  }

  async say({ text, destination }: { text: string; destination?: string | undefined }): Promise<string> {
    const row = await this.#row({ text }, destination);
    this.#deps.writer.send(row);
    return row.id;
  }

  async sendFile(file: Parameters<AgentDesk['sendFile']>[0]): Promise<string> {
    const { path, name, text, destination } = file;
    await this.#checkFile(resolve(this.#deps.groupDir, path));
    const row = await this.#row({ text, files: [{ path, name }] }, destination);
    const [sent] = row.files;
    if (!sent) throw new Error(row.text);
    this.#deps.writer.send(row);
    return sent.name;
  }

  destinations(): Promise<Destination[]> {
    this.#running();
    return this.#destinations();
  }

  async ask(question: Question, signal: AbortSignal): Promise<{ id: string; answer: string | undefined }> {
    const { text, options, destination, waitMs } = question;
    const turn = this.#running();
    const id = questionId(subject(turn).id, [text, options, destination ?? null]);
    const given = turn.messages.find(({ answers }) => answers === id);
    if (given) return { id, answer: given.text };
    if (!this.question(id)) {
      const row = await this.#row({ text }, destination);
      this.#deps.writer.ask({ ...row, id, question: { options } }, { text, options, at: Date.now() });
    }
    const answer = this.questions.wait(id, waitMs, signal);
    this.#deps.look();
    return { id, answer: await answer };
  }

  /** A question of this session that was asked, for as long as it is kept. */
  question(id: string): KeptQuestion | undefined {
    return keptQuestion((key) => this.#deps.writer.recall(key), id);
  }

  remember(key: string, text: string | null): void {
    this.#running();
    keepNote(this.#deps.writer, key, text);
  }

  notes(): Record<string, string> {
    this.#running();
    return this.#deps.writer.notes();
  }

  request(name: string, args: object): Promise<HostAnswer> {
    const inReplyTo = subject(this.#running()).id;
    const id = newId('req');
    this.#deps.writer.request({ id, inReplyTo, request: name, args });
    return this.#requests.wait(id);
  }

  keyOf(words: unknown): string {
    return questionId(subject(this.#running()).id, words);
  }

  async about(): Promise<SessionFacts> {
    const turn = this.#running();
    const { session, startedAt } = turn;
    const { environment, maxFile, outDir } = this.#deps;
    const { chat, thread, attempt } = subject(turn);
    const { provider, model } = session.agent;
    return {
      session: environment.session,
      group: environment.group,
      groupName: environment.groupName,
      ...{ chat, thread, attempt },
      agent: { provider, model },
      conversation: session.conversation ?? 0,
      timezone: process.env.TZ ?? 'UTC',
      now: new Date().toISOString(),
      turnEndsAt: new Date(startedAt + session.turnLimitMs).toISOString(),
      largestFileBytes: maxFile,
      folders: { group: environment.groupDir, session: outDir },
      notices: session.notices,
      destinations: await this.#destinations(),
    };
  }

  #running(): TurnInHand {
    if (!this.#turn || this.#turn.isOver()) throw new Error('No turn runs now, so that nothing can be done.');
    return this.#turn;
  }

  /** A row of the running turn that answers nothing, its files stored. */
  async #row(reply: Reply, destination: string | undefined): Promise<OutboundRow> {
    const turn = this.#running();
    if (destination !== undefined) await this.#checkDestination(destination);
    const composed = composeRow(reply, subject(turn).id);
    if (!this.#pace.allows(performance.now()))
      throw new Error(`Too many messages at once: ${SendPace.MOST} a minute are allowed. Wait a little.`);
    const [row] = await storeFiles(this.#deps, [{ ...composed, destination: destination ?? null }]);
    if (!row || turn.isOver()) throw new Error('The turn is over.');
    return row;
  }

  async #checkDestination(name: string): Promise<void> {
    const known = (await this.#destinations()).map((one) => one.name);
    // There may be more than are listed: the host knows.
    if (known.includes(name) || known.length >= MOST_DESTINATIONS) return;
    const list =
      known.length > 0 ? `There are ${known.map((one) => JSON.stringify(one)).join(', ')}` : 'There is none';
    throw new Error(
      `This session may not send to ${JSON.stringify(name)}. ${list}. Without a destination it goes to where the message came from.`,
    );
  }

  async #destinations(): Promise<Destination[]> {
    const giveUpAt = performance.now() + BUSY_MS;
    for (;;) {
      try {
        return this.#deps.reader.destinations();
      } catch (error) {
        if (!isPassing(error) || performance.now() > giveUpAt) throw error;
        await pause(5);
      }
    }
  }

  async #checkFile(path: string): Promise<void> {
    const found = await promises.stat(path).catch(() => undefined);
    if (!found) throw new Error(`There is no file ${path}.`);
    if (!found.isFile()) throw new Error(`${path} is not a regular file.`);
    const { maxFile } = this.#deps;
    if (found.size > maxFile) throw new Error(`${path} has ${found.size} bytes, and ${maxFile} are allowed.`);
  }
}

/** What is being worked on: the same message when the turn is repeated. */
function subject({ home, messages }: TurnInHand): TurnMessage {
  return askedThere(home, messages)[0] ?? home;
}
