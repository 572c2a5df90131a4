import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  isJSONRPCRequest,
  type JSONRPCMessage,
  JSONRPCMessageSchema,
  SUPPORTED_PROTOCOL_VERSIONS,
} from '@modelcontextprotocol/sdk/types.js';

/** One POST of a client: its body, and the version of MCP that it says it speaks. */
export interface Call {
  body: string;
  version: string | undefined;
}

export interface Answer {
  status: number;
  /** `undefined`: nothing is to be said. */
  json?: object | undefined;
}

/** Whoever answers; it is connected to each call anew. */
interface Answering {
  connect(transport: Transport): Promise<void>;
  close(): Promise<void>;
}

const INVALID_REQUEST = -32600;
const PARSE_ERROR = -32700;

/**
 * Answers one call with JSON, as MCP's Streamable HTTP allows a server that keeps no session and sends nothing by itself
 * (https://modelcontextprotocol.io/specification/2025-11-25/basic/transports). The transport of MCP's SDK speaks of `Request` and
 * `Response`, for which Node would load its client for `fetch` while the agent starts (docs/decisions/agent-tools.md).
 * @param signal tells that nobody reads the answer any more; then there may be none.
 */
export async function answerCall(server: Answering, call: Call, signal: AbortSignal): Promise<Answer> {
  const { version } = call;
  if (version !== undefined && !SUPPORTED_PROTOCOL_VERSIONS.includes(version))
    return refused(
      INVALID_REQUEST,
      `MCP ${version} is not spoken here: ${SUPPORTED_PROTOCOL_VERSIONS.join(', ')}.`,
    );
  const given = parse(call.body);
  if (given === undefined) return refused(PARSE_ERROR, 'The body is no JSON.');
  const { success, data: message } = JSONRPCMessageSchema.safeParse(given);
  if (!success) return refused(INVALID_REQUEST, 'The body is no message of JSON-RPC 2.0.');
  const { promise, resolve } = Promise.withResolvers<JSONRPCMessage>();
  const transport: Transport = {
    start: async () => undefined,
    close: async () => transport.onclose?.(),
    send: async (said) => {
      if ('id' in said && isJSONRPCRequest(message) && said.id === message.id) resolve(said);
    },
  };
  signal.addEventListener('abort', () => void server.close());
  await server.connect(transport);
  transport.onmessage?.(message);
  return isJSONRPCRequest(message) ? { status: 200, json: await promise } : { status: 202 };
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function refused(code: number, message: string): Answer {
  return { status: 400, json: { jsonrpc: '2.0', id: null, error: { code, message } } };
}
