import { type ChildProcess, spawn } from 'node:child_process';
import { killWithAll } from '../lingering-processes.ts';
import { claudeOptions } from './claude-options.ts';
import type { ClaudeMessage, ClaudeQuery, ClaudeSdk, ClaudeSpawn } from './claude-sdk.ts';
import { InputQueue } from './input-queue.ts';
import type { ProviderContext } from './provider.ts';

interface AgentEvents {
  onMessage(message: ClaudeMessage): void;
  /** Its process has ended, or what it says cannot be read any more. */
  onEnd(error: Error): void;
}

/** Claude's process: one for as long as the container lives, unless it has to be ended. */
export class ClaudeAgent {
  readonly #input = new InputQueue<{ uuid: string; text: string }>();
  readonly #query: ClaudeQuery;
  #child: ChildProcess | undefined;
  #closed = false;

  /** @param resume the conversation to go on with. */
  constructor(sdk: ClaudeSdk, context: ProviderContext, resume: string | undefined, events: AgentEvents) {
    const options = claudeOptions(context, resume, (order) => this.#spawn(order));
    this.#query = sdk.query({ prompt: this.#prompts(), options });
    void this.#read(events);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  say(uuid: string, text: string): void {
    this.#input.put({ uuid, text });
  }

  /** Ends its running turn. */
  interrupt(): void {
    this.#query.interrupt().catch(() => undefined); // it has ended already
  }

  close(): void {
    this.#closed = true;
    this.#input.end();
    this.#query.close();
  }

  /** With the programs that its tools have started. */
  kill(): void {
    if (this.#child) killWithAll(this.#child);
    this.close();
  }

  async *#prompts() {
    for await (const { uuid, text } of this.#input) {
      const content = [{ type: 'text' as const, text }];
      yield {
        type: 'user' as const,
        uuid,
        message: { role: 'user' as const, content },
        parent_tool_use_id: null,
      };
    }
  }

  async #read(events: AgentEvents): Promise<void> {
    try {
      for await (const message of this.#query) if (!this.#closed) events.onMessage(message);
      throw new Error('its process has ended');
    } catch (error) {
      events.onEnd(error as Error);
    }
  }

  /** Started here, so that its pid is known. */
  #spawn({ command, args, cwd, env }: ClaudeSpawn): ChildProcess {
    this.#child = spawn(command, args, { cwd, env, stdio: ['pipe', 'pipe', 'inherit'] });
    return this.#child;
  }
}
