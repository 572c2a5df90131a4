/** JSON bodies of the rows that cross between host and container, as `docs/contract.md` lists them. */

export interface Sender {
  id: string;
  name?: string | undefined;
}

/** A file of an inbound message; `path` is relative to the folder `in/` of the session. */
export interface InboundFile {
  name: string;
  path: string;
  type: string;
  bytes: number;
}

export interface InboundBody {
  text: string;
  sender: Sender;
  chat: string;
  thread: string | null;
  files: InboundFile[];
  /** On an answer to a `system` request: the id of that request's row. On a chat message: the question it answers. */
  answers?: string | undefined;
}

/** A file that the container sends; `path` is relative to the folder `out/` of the session. */
export interface OutboundFile {
  name: string;
  path: string;
}

export interface OutboundBody {
  text: string;
  files?: OutboundFile[] | undefined;
  /** Ids of all the messages of the turn that this row answers. */
  answers?: string[] | undefined;
  /** True: the turn is answered and nothing is to be said. */
  silent?: boolean | undefined;
  /** It is a question to a person: a message whose `answers` is this row's id answers it. */
  question?: { options: string[] } | undefined;
}

/** A server of tools for the agent that the group declares: a program that speaks MCP on stdin and stdout. */
export interface McpProgram {
  command: string;
  args: string[];
  env: Record<string, string>;
}

/** So many destinations are listed, the newest; a session may send to the others too. */
export const MOST_DESTINATIONS = 200;

/** Where a session may send; a row of `inbound.db`'s table `destinations`. */
export interface Destination {
  name: string;
  /** `chat` or `agent`. */
  kind: string;
  title: string | null;
  isDefault: boolean;
}

/** What `in/` says about the session itself: the `body` of the one row of the table `session`. */
export interface SessionBody {
  group: string;
  /** What the provider gets, from `group.yaml`. */
  agent: {
    provider: string;
    command?: string[] | undefined;
    model?: string | undefined;
    options: Record<string, unknown>;
  };
  /** More servers of tools for the agent, by name. Absent: none. */
  mcp?: Record<string, McpProgram> | undefined;
  /** Longest duration of a turn in milliseconds (`limits.turn`). */
  turnLimitMs: number;
  /** Raised when a person begins a new conversation: what is kept of an earlier one is not taken up again. Absent: 0. */
  conversation?: number | undefined;
  /** Things the agent should know about its place, such as packages that are being rebuilt. */
  notices: string[];
}

export type MessageKind = 'chat' | 'task' | 'agent' | 'system';
export type ControlVerb = 'park' | 'unpark' | 'stop' | 'nudge' | 'abort';
export const CLAIM_STATUSES = ['processing', 'done', 'failed'] as const;

export const ERROR_CLASSES = [
  'transient',
  'rate_limit',
  'credentials',
  'context',
  'continuation',
  'permanent',
  'aborted',
] as const;
/** Why a turn failed, in the words of the contract. */
export type ErrorClass = (typeof ERROR_CLASSES)[number];

/** A row of `inbound.db`'s table `messages`. */
export interface InboundRow {
  seq: number;
  id: string;
  attempt: number;
  kind: string;
  /** 0: context only. */
  wake: number;
  body: string;
  createdAt: number;
}

/** A row of `inbound.db`'s table `receipts`. */
export interface Receipt {
  outId: string;
  status: 'sent' | 'failed' | 'uncertain' | 'refused';
  detail: string | null;
  /** The platform's own id of what was sent. */
  platformId: string | null;
  at: number;
}
