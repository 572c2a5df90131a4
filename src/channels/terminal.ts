import type { Readable, Writable } from 'node:stream';
import { BerthError, describeError } from '../errors.ts';
import type { Channel, ChatEvent, Host } from './channel.ts';
import { type Conversation, createConversation } from './terminal/conversation.ts';
import { failureLine, fileLines } from './terminal/event-lines.ts';
import { createInteractiveView } from './terminal/interactive-view.ts';
import { optionLines } from './terminal/open-question.ts';
import { createPlainView } from './terminal/plain-view.ts';
import { oneLine, printable } from './terminal/printable.ts';
import { sendLines } from './terminal/send-lines.ts';
import type { TerminalView } from './terminal/terminal-view.ts';

/** An answer that takes longer than this, in milliseconds, gets a line of its own on a terminal. */
const PATIENCE_MS = 4_000;

export interface TerminalOptions {
  input: Readable & { isTTY?: boolean };
  output: Writable & { isTTY?: boolean };
  errorOutput: Writable & { isTTY?: boolean };
  group: string;
  chat: string;
  /** The group as people call it; its folder name where there is none. */
  title?: string;
  /** One message to send instead of reading the input. */
  once?: string;
  patienceMs?: number;
}

export interface TerminalChannel extends Channel {
  send(event: ChatEvent): Promise<undefined>;
  /** The exit code, once the talk is over: 0, or 1 where a message failed (in a talk at a terminal always 0). */
  readonly done: Promise<number>;
  /** Shows one line about what goes on, such as a container that starts; never on stdout of a pipe. */
  notice(text: string): void;
}

/**
 * A talk at the terminal: with a prompt where input and output are one, else one message a line (or only `once`),
 * with the texts of the replies alone on the output. `send` throws `E_STOPPING` once nobody reads the output any more.
 */
export function createTerminalChannel(options: TerminalOptions): TerminalChannel {
  const { input, output, errorOutput, group, chat, once, title = group } = options;
  const address = { channel: 'terminal', group, chat };
  const isInteractive = once === undefined && input.isTTY === true && output.isTTY === true;
  const { promise: done, resolve: finish } = Promise.withResolvers<number>();
  const started = Promise.withResolvers<void>();
  const shown = new Set<number>();
  let talk: { host: Host; conversation: Conversation; view: TerminalView } | undefined;
  let releaseDrafts = () => {};
  let failed = false;
  let ended = false;
  let patience: NodeJS.Timeout | undefined;

  function end(code: number): void {
    ended = true;
    clearTimeout(patience);
    releaseDrafts();
    releaseDrafts = () => {};
    talk?.view.close();
    if (!isInteractive && once === undefined) input.destroy();
    finish(code);
  }

  function start(host: Host): void {
    const conversation = createConversation(host, address, { onAsked: startPatience });
    if (isInteractive) {
      talk = {
        host,
        conversation,
        view: createInteractiveView({ input, output, title, onMessage: ask, onLeave: () => end(0) }),
      };
      releaseDrafts = host.drafts(address, ({ text, tool }) => {
        clearTimeout(patience);
        talk?.view.draft?.(text, tool);
      });
      return;
    }
    talk = {
      host,
      conversation,
      view: createPlainView({ output, errorOutput, onGone: () => end(failed ? 1 : 0) }),
    };
    const messages = once === undefined ? input : [once];
    sendLines({ messages, conversation, onError: showError }).then(
      () => end(failed ? 1 : 0),
      (error) => {
        if (ended) return; // the input was closed from here
        showError(error);
        end(1);
      },
    );
  }

  function ask(text: string): void {
    talk?.conversation.ask(text).catch(showError);
  }

  function showError(error: unknown): void {
    failed = true;
    aside(oneLine(describeError(error)));
  }

  function aside(line: string): void {
    clearTimeout(patience);
    if (talk) talk.view.aside(line);
    else errorOutput.write(`${line}\n`);
  }

  function startPatience(): void {
    clearTimeout(patience);
    if (!isInteractive && !errorOutput.isTTY) return;
    patience = setTimeout(
      () => aside(`still waiting for ${title} …`),
      options.patienceMs ?? PATIENCE_MS,
    ).unref();
  }

  async function show(
    event: ChatEvent,
    { host, conversation, view }: NonNullable<typeof talk>,
  ): Promise<void> {
    if (event.type === 'failure') {
      failed ||= conversation.concerns(event);
      view.draft?.('', null);
      return aside(failureLine(event));
    }
    clearTimeout(patience);
    const text = output.isTTY ? printable(event.text) : event.text;
    if (text !== '') await view.reply(text, conversation.concerns(event));
    if (event.question) for (const line of optionLines(event.question)) aside(line);
    for (const line of await fileLines(event, host)) aside(line);
  }

  return {
    name: 'terminal',
    takesKey: true,
    done,
    notice: (text) => aside(oneLine(text)),
    tell: ({ text }) => aside(oneLine(text)),
    async start(host) {
      start(host);
      started.resolve();
    },
    async send(event) {
      await started.promise; // what an earlier host left undelivered comes before the talk begins
      if (!talk) throw new BerthError('E_INTERNAL', 'the terminal has not started');
      // Delivery may repeat an event whose fate it does not know.
      if (shown.has(event.key)) return;
      shown.add(event.key);
      await talk.conversation.accepting();
      await show(event, talk).catch((error) => {
        shown.delete(event.key);
        throw error;
      });
      talk.conversation.settle(event);
    },
    async close() {
      const isUnanswered = talk !== undefined && talk.conversation.waiting() > 0;
      end(!isInteractive && (failed || isUnanswered) ? 1 : 0);
    },
  };
}
