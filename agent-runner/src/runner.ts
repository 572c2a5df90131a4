import type { RunnerEnvironment } from '../../contract/environment.ts';
import { removeDraft } from './draft-file.ts';
import { startHeartbeat } from './heartbeat.ts';
import { openOutbound } from './open-outbound.ts';
import { ProviderSeat } from './provider-seat.ts';
import { loadProvider } from './providers/registry.ts';
import { InboundReader } from './read-inbound.ts';
import { ToolServers } from './tools/tool-servers.ts';
import { TurnDesk } from './tools/turn-desk.ts';
import { TurnLoop } from './turn-loop.ts';
import { watchInbound } from './watch-inbound.ts';
import { OutboundWriter } from './write-outbound.ts';

export interface RunnerOptions {
  environment: RunnerEnvironment;
  /** False: look by timer only. */
  watch: boolean;
  /** Largest file that is sent, in bytes. */
  maxFile: number;
  /** How long a stop may take, in milliseconds. */
  stopGraceMs: number;
  log(line: string): void;
  /** The host asks by a control that the runner ends. */
  onStop(): void;
}

export interface Runner {
  /** Lets the running turn end, or gives it up within the grace; then everything is closed. */
  stop(): Promise<void>;
}

/**
 * Starts the runner of one session: heartbeat, both files, watch, turns.
 * @throws WrongPlaceError, or whatever keeps a file from being opened.
 */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const { environment, log } = options;
  const { inDir, outDir, groupDir, epoch } = environment;
  const stopHeartbeat = startHeartbeat(outDir);
  removeDraft(outDir, log);
  const module = await loadProvider(environment.provider);
  const writer = new OutboundWriter(openOutbound(environment, log), epoch);
  const reader = new InboundReader({ inDir, epoch, claims: writer.claims });
  const seat = new ProviderSeat(module, {
    environment,
    log,
    converse: (conversation) => writer.converse(conversation),
    recall: (key) => writer.recall(key),
    remember: (key, value) => writer.remember(key, value),
    mcpServers: (session) => servers.for(session),
  });
  const { maxFile, onStop } = options;
  const files = { outDir, groupDir, maxFile, log };
  const desk = new TurnDesk({ ...files, environment, writer, reader, look: () => loop.look() });
  const servers = new ToolServers(desk, { groupDir, log });
  const watch = watchInbound(inDir, () => loop.look(), { events: options.watch });
  const loop = new TurnLoop({
    ...{ ...files, environment, reader, writer, seat, desk, onStop },
    counter: () => watch.counter(),
  });
  loop.look();
  return {
    stop: async () => {
      await loop.stop(Math.max(0, options.stopGraceMs - 1000));
      watch.close();
      stopHeartbeat();
      servers.close();
      await seat.empty().catch((error: Error) => log(`closing the provider failed: ${error.message}`));
      reader.close();
      writer.close();
    },
  };
}
