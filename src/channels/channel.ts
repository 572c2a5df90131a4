import type { Readable } from 'node:stream';
import type { Sender } from '../../contract/bodies.ts';

/** Where somebody talks: a chat of a channel, with one group. */
export interface ChatAddress {
  channel: string;
  group: string;
  chat: string;
}

/** What a channel hands to the host. Channels check nothing but their own protocol: `inbound/` does. */
export interface IncomingMessage extends ChatAddress {
  /** Dedup key within group and chat; none: every call is a new message. */
  id?: string | undefined;
  sender?: Sender | undefined;
  thread?: string | null | undefined;
  text: string;
  files?: { upload: string; name: string }[] | undefined;
  /** Id of the question of the agent's that it answers. */
  answers?: string | undefined;
}

export interface Accepted {
  message: string;
  session: string;
  /** True: this dedup key had been accepted before, and nothing was done. */
  duplicate: boolean;
}

/** Something that appeared in a chat: a reply or a told failure. */
export interface ChatEvent {
  /** Row of the outbox: unique over the whole install, the key for channels that take one. */
  key: number;
  channel: string;
  group: string;
  chat: string;
  session: string;
  type: 'message' | 'failure';
  /** Number within the chat, without gaps towards the past (but where a backup was restored): 1, 2, 3 … */
  event: number;
  id: string;
  inReplyTo: string | null;
  answers: string[];
  thread: string | null;
  text: string;
  files: { name: string; bytes: number }[];
  /** The agent asks: an incoming message whose `answers` is this id answers it. The options are to choose from, if there are any. */
  question: { id: string; options: string[] } | null;
  /** Of a failure: the code of `errors.ts` and the reason in words. */
  code: string | null;
  reason: string | null;
  createdAt: number;
}

/**
 * A passing word to whoever waits in a chat, such as their place in the line. It is no event: it has no number, is kept
 * nowhere, and answers nothing.
 */
export interface ChatNotice extends ChatAddress {
  session: string;
  thread: string | null;
  text: string;
}

/**
 * What a running turn has said so far, whole. It is no event: the next one takes its place, and the event that answers
 * `inReplyTo` takes the last one's.
 */
export interface ChatDraft extends ChatAddress {
  session: string;
  thread: string | null;
  inReplyTo: string;
  text: string;
  /** The tool in flight. */
  tool: string | null;
}

/** A session as people see it. */
export interface SessionView {
  id: string;
  group: string;
  channel: string;
  chat: string;
  thread: string | null;
  state: string;
  since: number;
  container: string | null;
  epoch: number;
  /** Messages that have no answer yet, those in work included. */
  queue: number;
  /** Place in the line of those that wait for a container, from 1; `null`: it does not wait for one. */
  place: number | null;
  lastError: { code: string; reason: string; at: number } | null;
  retryAt: number | null;
  /** Why the packages that its group declares could not be installed; the last good image stays in force. */
  imageProblem: { code: string; reason: string; at: number } | null;
  /** Why its group works without the credentials that it declares. */
  credentialsProblem: { code: string; reason: string; at: number } | null;
}

/** What the host offers to its channels. Every method throws `BerthError`. */
export interface Host {
  /** Resolves once the message is durable in the ledger. */
  accept(message: IncomingMessage): Promise<Accepted>;
  /** Stores an upload for a later message of that chat. @returns its id. */
  upload(address: ChatAddress, name: string, content: Readable): Promise<string>;
  /**
   * Events with `event > after`, oldest first, at most `limit`. `first` is the oldest number still kept (0: none),
   * `last` the newest that was given in the chat (0: none).
   */
  events(
    address: ChatAddress,
    after: number,
    limit: number,
  ): { events: ChatEvent[]; first: number; last: number };
  /**
   * Calls the listener with each new event of the chat, in order, until released. `events` gives an event no
   * later than the listener hears of it.
   */
  subscribe(address: ChatAddress, listener: (event: ChatEvent) => void): () => void;
  /** Calls the listener with what the chat's running turns have said so far, until released. A draft that was missed is not repeated. */
  drafts(address: ChatAddress, listener: (draft: ChatDraft) => void): () => void;
  /** A file of a message that the agent sent: its path on the host, checked. */
  file(address: ChatAddress, message: string, name: string): { path: string; bytes: number };
  /** Stops the chat's sessions and removes them with all their files. False: there was no such chat. */
  deleteChat(address: ChatAddress): Promise<boolean>;
  sessions(): SessionView[];
  session(id: string): SessionView;
  /** Throws when the engine does not answer or the ledger is not open. */
  ready(): Promise<void>;
}

/** What a platform says of an event that it has taken. */
export interface Taken {
  /** What the platform calls it; at most 200 characters are kept. */
  platformId?: string | undefined;
}

/** A way people talk to the host. */
export interface Channel {
  readonly name: string;
  /**
   * True: an event that is sent again under the same `key` does no harm, because the platform (or the channel) knows it
   * again. False: an event whose fate nobody knows is never sent again by itself.
   */
  readonly takesKey: boolean;
  /** Called before `start`, while the host sees to what an earlier one left: what takes a while and needs nobody. */
  prepare?(host: Host): Promise<void>;
  start(host: Host): Promise<void>;
  /**
   * Resolves when the platform has taken the event. Not called before `start` has ended, and in order within a chat.
   * @param options.signal tells that the host waits no longer: what comes after it may still make an `uncertain` event `sent`.
   * @throws SendError; any other error counts as one with an unknown outcome.
   */
  send(event: ChatEvent, options: { signal: AbortSignal }): Promise<Taken | undefined>;
  /** Shows a notice to who is there now. Absent: this channel has no place for what is no message. */
  tell?(notice: ChatNotice): void;
  /** Takes no new messages from now on. */
  close(): Promise<void>;
}
