import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { McpServer } from '../providers/provider.ts';
import type { AgentDesk } from './agent-desk.ts';
import type { ToolServer } from './tool-server.ts';

const LONGEST_BODY = 1024 * 1024;
/** Calls at once; one that asks a person lasts for a while. */
const MOST_CALLS = 32;

export interface ToolDoor {
  server: McpServer;
  close(): void;
}

/**
 * Listens on loopback for the agent's calls. The address alone opens nothing: each call bears a token that only this process
 * and its provider know. What speaks MCP is loaded meanwhile, in a file of its own, so that who has no use for it pays nothing.
 */
export async function openToolDoor(desk: AgentDesk, log: (line: string) => void): Promise<ToolDoor> {
  const token = process.getBuiltinModule('node:crypto').randomBytes(24).toString('base64url');
  let tools: Promise<ToolServer> | undefined;
  const load = (): Promise<ToolServer> => {
    tools ??= import('./tool-server.ts').then(({ createToolServer }) => createToolServer(desk));
    return tools;
  };
  const answer = createAnswer(load, `Bearer ${token}`);
  // Not imported: that would load Node's client for `fetch` with each start of a runner (docs/decisions/quick-start.md).
  const http = process.getBuiltinModule('node:http').createServer((request, response) => {
    answer(request, response).catch((error: Error) => {
      log(`a call of a tool failed: ${error.stack}`);
      refuse(response, 500, -32603, 'This is a defect of the tools.');
    });
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  // Once the provider has begun to start its agent, which takes longer.
  setImmediate(() => void load().catch((error: Error) => log(`the tools cannot be loaded: ${error.stack}`)));
  const headers = { Authorization: `Bearer ${token}` };
  return {
    server: { type: 'http', url: `http://127.0.0.1:${port}/mcp`, headers },
    close: () => close(http),
  };
}

function createAnswer(load: () => Promise<ToolServer>, authorization: string) {
  const { timingSafeEqual } = process.getBuiltinModule('node:crypto');
  const wanted = Buffer.from(authorization);
  let calls = 0;

  return async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const given = Buffer.from(request.headers.authorization ?? '');
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
      return refuse(response, 401, -32001, 'The token is missing or wrong.');
    if (request.method !== 'POST' || request.url !== '/mcp')
      return refuse(response, request.url === '/mcp' ? 405 : 404, -32000, 'Only POST /mcp is answered here.');
    if (calls >= MOST_CALLS)
      return refuse(response, 503, -32000, `${MOST_CALLS} calls are under way already.`);
    calls += 1;
    const gone = new AbortController();
    // What serves a call may never come to an end once nobody listens.
    const left = new Promise<undefined>((resolve) => {
      response.on('close', () => {
        gone.abort();
        resolve(undefined);
      });
    });
    try {
      const body = await readBody(request);
      if (body === undefined)
        return refuse(response, 413, -32000, `A call has ${LONGEST_BODY} bytes at most.`);
      const { serve } = await load();
      if (gone.signal.aborted) return;
      const call = { body: body.toString(), version: headerOf(request, 'mcp-protocol-version') };
      const answered = await Promise.race([serve(call, gone.signal), left]);
      if (answered) reply(response, answered.status, answered.json);
    } finally {
      calls -= 1;
    }
  };
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= LONGEST_BODY) chunks.push(chunk);
  }
  return bytes <= LONGEST_BODY ? Buffer.concat(chunks) : undefined;
}

function refuse(response: ServerResponse, status: number, code: number, message: string): void {
  if (response.headersSent) return;
  reply(response, status, { jsonrpc: '2.0', id: null, error: { code, message } });
}

function reply(response: ServerResponse, status: number, json: object | undefined): void {
  response.writeHead(status, json && { 'content-type': 'application/json' });
  response.end(json && JSON.stringify(json));
}

function close(http: Server): void {
  http.close();
  http.closeAllConnections();
}
