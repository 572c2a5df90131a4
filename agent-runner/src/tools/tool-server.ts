import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { AgentDesk } from './agent-desk.ts';
import { parseArguments } from './parse-arguments.ts';
import { type Tool, tools } from './tool-list.ts';

export interface ToolServer {
  /** Answers one request of a client. @param signal tells that nobody reads the answer any more. */
  serve(request: Request, signal: AbortSignal): Promise<Response>;
}

/**
 * The session's MCP server. It keeps nothing between two requests: whoever has the token may call, before or after
 * `initialize`, from any number of clients.
 */
export function createToolServer(desk: AgentDesk): ToolServer {
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const listed = tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));

  return {
    async serve(request, signal) {
      const server = new Server({ name: 'berth', version: '1' }, { capabilities: { tools: {} } });
      server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: listed }));
      server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal: called }) => {
        const tool = byName.get(params.name);
        const names = [...byName.keys()].join(', ');
        return tool
          ? call(tool, params.arguments, called)
          : failed(`There is no tool ${params.name}: there are ${names}.`);
      });
      const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
      signal.addEventListener('abort', () => void server.close());
      await server.connect(transport);
      return transport.handleRequest(request);
    },
  };

  async function call(tool: Tool, given: unknown, signal: AbortSignal): Promise<CallToolResult> {
    try {
      const said = await tool.run(desk, parseArguments(tool, given), signal);
      const text = typeof said === 'string' ? said : JSON.stringify(said, null, 1);
      return { content: [{ type: 'text', text }] };
    } catch (error) {
      return failed((error as Error).message);
    }
  }
}

function failed(text: string): CallToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}
