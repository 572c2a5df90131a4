import * as z from 'zod';
import { LONGEST_TOOL_CALL_MS } from '../providers/provider.ts';
import type { AgentDesk, HostAnswer } from './agent-desk.ts';

/** A tool as it is listed and called. */
export interface Tool {
  name: string;
  description: string;
  shape: z.ZodObject;
  inputSchema: { type: 'object'; [key: string]: unknown };
  /** @returns what the agent reads. @throws Error with the words of a refusal. */
  run(desk: AgentDesk, given: unknown, signal: AbortSignal): Promise<unknown>;
}

const LONGEST_TEXT = 64 * 1024;
const LONGEST_WAIT_S = LONGEST_TOOL_CALL_MS / 1000;

const text = (most: number) =>
  z
    .string()
    .max(most, `is longer than ${most} characters`)
    .refine((value) => value.trim() !== '', 'is empty');
const destination = text(256)
  .optional()
  .describe('Name of a destination (list_destinations); without it, where the message came from');
const noteKey = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'is not 1 to 64 letters, digits, _ . -')
  .describe('Short name of the note');

/** The tools of a session, the same for every provider. */
export const tools: Tool[] = [
  tool(
    'send_message',
    'Sends a message to a person now, while you go on working. Your final answer is sent by itself and needs no tool.',
    { text: text(LONGEST_TEXT), destination },
    async (desk, { text, destination }) => {
      await desk.say({ text, destination });
      return 'Sent.';
    },
  ),
  tool(
    'send_file',
    'Sends a file to a person now.',
    {
      path: text(1024).describe("Absolute, or relative to the group's folder"),
      name: text(255).optional().describe('Under which name it is sent'),
      text: z.string().max(LONGEST_TEXT).default('').describe('Said with it'),
      destination,
    },
    async (desk, file) => `Sent as ${await desk.sendFile(file)}.`,
  ),
  tool('list_destinations', 'Where you may send messages and files to.', {}, (desk) => desk.destinations()),
  tool(
    'ask_user',
    `Asks a person a question and waits for the answer for up to ${LONGEST_WAIT_S} s. When none has come by then, it will come as a message later: end your turn.`,
    {
      question: text(4000),
      options: z
        .array(text(200))
        .max(20)
        .default([])
        .describe('Answers to choose from; people may still write another'),
      destination,
      wait_seconds: z.number().min(0).max(LONGEST_WAIT_S).default(LONGEST_WAIT_S),
    },
    async (desk, { question, options, destination, wait_seconds }, signal) => {
      const waitMs = wait_seconds * 1000;
      const { id, answer } = await desk.ask({ text: question, options, destination, waitMs }, signal);
      return answer === undefined
        ? `Nobody has answered yet. The answer will come as a message that answers question ${id}; do not ask again. You may end your turn now.`
        : `The answer: ${answer}`;
    },
  ),
  tool(
    'remember',
    'Keeps a small note (4 KiB) for later turns of this session, also after /new. An empty text forgets it.',
    { key: noteKey, text: z.string() },
    async (desk, { key, text }) => {
      desk.remember(key, text === '' ? null : text);
      return text === '' ? 'Forgotten.' : 'Kept.';
    },
  ),
  tool('recall', 'Your notes: one of them, or all.', { key: noteKey.optional() }, async (desk, { key }) => {
    const notes = desk.notes();
    if (key === undefined) return notes;
    const known = Object.keys(notes).join(', ') || 'none';
    return notes[key] ?? `There is no note ${key}. Notes: ${known}.`;
  }),
  tool(
    'schedule',
    'Plans a task: at its time you get `text` as a message. Once (`at`), or again and again (`cron`).',
    {
      text: text(16_384).describe('What is to be done then, in words for yourself'),
      at: z.string().optional().describe('A time with its offset, such as 2030-01-31T09:00:00+01:00'),
      cron: z.string().optional().describe('minute hour day month weekday, such as 0 9 * * 1-5'),
      timezone: z
        .string()
        .optional()
        .describe('Of `cron`, such as Europe/Berlin; default: that of the group'),
      missed: z
        .enum(['once', 'skip'])
        .optional()
        .describe(
          'What follows when the host was down at the time: once it is back (default), or not at all',
        ),
    },
    async (desk, args) =>
      resultOf(await desk.request('schedule', { ...args, key: desk.keyOf(['schedule', args]) })),
  ),
  tool('list_schedules', 'The schedules of this session.', {}, async (desk) =>
    resultOf(await desk.request('schedules', {})),
  ),
  tool('cancel_schedule', 'Cancels a schedule.', { id: text(64) }, async (desk, args) =>
    resultOf(await desk.request('cancel_schedule', args)),
  ),
  tool('session_info', 'Where you are: session, chat, limits, folders, time, destinations.', {}, (desk) =>
    desk.about(),
  ),
];

function tool<Shape extends z.core.$ZodShape>(
  name: string,
  description: string,
  fields: Shape,
  run: (desk: AgentDesk, given: z.output<z.ZodObject<Shape>>, signal: AbortSignal) => Promise<unknown>,
): Tool {
  const shape = z.strictObject(fields);
  const { $schema: _, ...inputSchema } = z.toJSONSchema(shape, { io: 'input' });
  return {
    ...{ name, description, shape },
    inputSchema: { ...inputSchema, type: 'object' },
    run: (desk, given, signal) => run(desk, given as z.output<z.ZodObject<Shape>>, signal),
  };
}

function resultOf(answer: HostAnswer): unknown {
  if (!answer.ok) throw new Error(answer.error);
  return answer.result;
}
