import type { McpProgram, SessionBody } from '../../../contract/bodies.ts';
import { inGroup } from '../in-group.ts';
import type { McpServer } from '../providers/provider.ts';
import type { AgentDesk } from './agent-desk.ts';
import { openToolDoor, type ToolDoor } from './tool-door.ts';

/** The name of the session's own server, which no group can give to another. */
const OWN = 'berth';

/** The servers of tools of a session: its own, opened by the first provider that speaks MCP, and those of the group. */
export class ToolServers {
  readonly #desk: AgentDesk;
  readonly #place: { groupDir: string; log(line: string): void };
  #door: Promise<ToolDoor> | undefined;

  constructor(desk: AgentDesk, place: { groupDir: string; log(line: string): void }) {
    this.#desk = desk;
    this.#place = place;
  }

  async for({ mcp = {} }: SessionBody): Promise<Record<string, McpServer>> {
    this.#door ??= openToolDoor(this.#desk, this.#place.log);
    const { server } = await this.#door;
    const programs = Object.entries(mcp).map(([name, program]) => [name, this.#program(program)]);
    return { ...Object.fromEntries(programs), [OWN]: server };
  }

  close(): void {
    void this.#door?.then((door) => door.close());
  }

  #program({ command, args, env }: McpProgram): McpProgram {
    const { groupDir } = this.#place;
    return { command: inGroup(command, groupDir), args: args.map((word) => inGroup(word, groupDir)), env };
  }
}
