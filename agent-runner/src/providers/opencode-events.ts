/** What OpenCode's server says of itself, as far as it is looked at. */
export type OpencodeEvent =
  | { type: 'message.updated'; properties: { info: OpencodeMessage } }
  | { type: 'message.part.updated'; properties: { part: OpencodePart } }
  | {
      type: 'message.part.delta';
      properties: { sessionID: string; messageID: string; partID: string; field: string; delta: string };
    }
  | { type: 'session.status'; properties: { sessionID: string; status: OpencodeStatus } }
  | { type: 'session.idle'; properties: { sessionID: string } }
  | { type: 'session.error'; properties: { sessionID?: string; error?: OpencodeError } };

export interface OpencodeMessage {
  id: string;
  sessionID: string;
  role: string;
  modelID?: string;
  cost?: number;
  tokens?: { input: number; output: number; reasoning: number; cache: { read: number; write: number } };
  /** Why it came to its end; `tool-calls`: there is more to come. */
  finish?: string;
  /** `true`: the conversation so far, which OpenCode had shortened; a person's message has something else there. */
  summary?: unknown;
  error?: OpencodeError;
}

export interface OpencodePart {
  id: string;
  sessionID: string;
  messageID: string;
  type: string;
  text?: string;
  /** Of a text: not the model's words. */
  synthetic?: boolean;
  callID?: string;
  tool?: string;
  state?: { status: string; input?: Record<string, unknown> };
}

/** `next`: Unix milliseconds at which it asks again. */
export interface OpencodeStatus {
  type: string;
  message?: string;
  next?: number;
}

export interface OpencodeError {
  name: string;
  data?: {
    message?: string;
    statusCode?: number;
    responseHeaders?: Record<string, string>;
    responseBody?: string;
  };
}
