import { CLAUDE_PACKAGE, type ClaudeSdk } from './claude-sdk.ts';
import { loadGlobalPackage } from './load-global-package.ts';
import { type StandIn, spareImports } from './spare-imports.ts';

/** For tools that run in the program that calls the SDK: here there are none. */
const NO_TOOLS = `
  const none = () => { throw new Error('no tool runs inside of the runner'); };
  export class McpServer { constructor() { none(); } }
  export const normalizeObjectSchema = none, toJsonSchemaCompat = none;`;

/** Half of what it takes to load the SDK, while somebody waits for the agent to start (docs/decisions/agents.md). */
const UNUSED: StandIn[] = [
  {
    importer: `/${CLAUDE_PACKAGE}/`,
    imported: '@modelcontextprotocol/sdk/server/',
    instead: `data:text/javascript,${encodeURIComponent(NO_TOOLS)}`,
  },
  // The words of its errors in fifty languages, a file each.
  { importer: '/node_modules/zod/', imported: '../locales/index.js', instead: '../locales/en.js' },
];

/** Loads Claude's SDK from the group's image. @throws TurnError where it is missing or broken. */
export async function loadClaudeSdk(): Promise<ClaudeSdk> {
  const load = (query: string) => loadGlobalPackage(CLAUDE_PACKAGE, `${CLAUDE_PACKAGE}/core`, query);
  // By another address: Node remembers that the first has failed.
  const sdk = await spareImports(
    UNUSED,
    () => load(''),
    () => load('?whole'),
  );
  return sdk as ClaudeSdk;
}
