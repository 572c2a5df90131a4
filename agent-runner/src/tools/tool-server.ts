import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { AgentDesk } from './agent-desk.ts';
import { type Answer, answerCall, type Call } from './answer-call.ts';
import { parseArguments } from './parse-arguments.ts';
import { type Tool, tools } from './tool-list.ts';

export interface ToolServer {
  /** Answers one request of a client. @param signal tells that nobody reads the answer any more. */
  serve(call: Call, signal: AbortSignal): Promise<Answer>;
}

/** What clients would fill in for us is never asked for; so the validator of MCP's SDK is left out of the runner (`bundle-runner.ts`). */
const jsonSchemaValidator = {
  getValidator(): never {
    throw new Error('no schema of a client is checked here');
  },
};

/**
 * The session's MCP server. It keeps nothing between two requests: whoever has the token may call, before or after
 * `initialize`, from any number of clients.
 */
export function createToolServer(desk: AgentDesk): ToolServer {
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const listed = tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));

  return {
    async serve(called, signal) {
      const server = new Server(
        { name: 'berth', version: '1' },
        { capabilities: { tools: {} }, jsonSchemaValidator },
      );
      server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: listed }));
      server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal: cancelled }) => {
        const tool = byName.get(params.name);
        const names = [...byName.keys()].join(', ');
        return tool
          ? call(tool, params.arguments, cancelled)
          : failed(`There is no tool ${params.name}: there are ${names}.`);
      });
      return answerCall(server, called, signal);
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
