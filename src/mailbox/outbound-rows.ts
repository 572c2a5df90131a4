import { z } from 'zod';
import { CLAIM_STATUSES, ERROR_CLASSES, type ErrorClass } from '../../contract/bodies.ts';
import { CONTAINER_ID_PATTERN } from '../../contract/ids.ts';
import { OutboundInvalid } from './outbound-invalid.ts';

/** A row of `messages`, checked. */
export interface OutboundMessage {
  seq: number;
  id: string;
  epoch: number;
  kind: string;
  inReplyTo: string | null;
  destination: string | null;
  /** As the container says it; `null`: no time. */
  createdAt: number | null;
  text: string;
  files: { name: string; path: string }[];
  answers: string[];
  silent: boolean;
  /** It is a question to a person. */
  question?: { options: string[] } | undefined;
  /** Of a row of kind `system`. */
  request?: string | undefined;
  args?: unknown;
}

/** A row of `claims`, checked. `retryAt` is what the container wishes for; the host decides. */
export interface OutboundClaim {
  message: string;
  attempt: number;
  status: 'processing' | 'done' | 'failed';
  error: string | null;
  errorClass: ErrorClass | null;
  retryAt: number | null;
}

const containerId = z.string().regex(CONTAINER_ID_PATTERN);
const seq = z.int().min(1);
const inboundId = z.string().min(1).max(64);

const messageRow = z.object({
  seq,
  id: containerId,
  epoch: seq,
  kind: z.string().max(32),
  in_reply_to: inboundId.nullable(),
  destination: z.string().max(256).nullable(),
  body: z.string({ error: 'is no text or too long' }),
  created_at: z.int().nullable().catch(null),
});

const messageBody = z.object({
  text: z.string().default(''),
  files: shortList(z.object({ name: z.string().min(1).max(255), path: z.string().min(1).max(1024) }), 20),
  answers: shortList(inboundId, 1000),
  silent: z.boolean().default(false),
  question: z.object({ options: shortList(z.string().min(1).max(200), 20) }).optional(),
  request: z.string().max(64).optional().catch(undefined),
  args: z.unknown().optional(),
});

const claimRow = z.object({
  status: z.enum(CLAIM_STATUSES),
  error: z.string().nullable(),
  error_class: z.enum(ERROR_CLASSES).nullable().catch('permanent'),
  retry_at: z.int().nullable().catch(null),
});

const count = z.number().finite().min(0).nullable().catch(null);
const usageRow = z.object({
  seq,
  messageId: z.string().nullable().catch(null),
  model: z.string().nullable().catch(null),
  inputTokens: count,
  outputTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
  costUsd: count,
  durationMs: count,
  at: z.int().catch(0),
});

/** A row of `usage`; numbers that are none count as unknown. */
export type OutboundUsage = z.output<typeof usageRow>;

/** @throws OutboundInvalid naming the row and the column. */
export function parseMessage(row: unknown): OutboundMessage {
  const {
    body,
    in_reply_to: inReplyTo,
    created_at: createdAt,
    ...columns
  } = check(messageRow, row, 'messages');
  const said = check(messageBody, parseJson(body), `messages ${columns.id}, body`);
  return { ...columns, inReplyTo, createdAt, ...said };
}

/** @throws OutboundInvalid */
export function parseClaim(message: string, attempt: number, row: unknown): OutboundClaim {
  const { status, error, error_class: errorClass, retry_at: retryAt } = check(claimRow, row, 'claims');
  return { message, attempt, status, error, errorClass, retryAt };
}

/** @throws OutboundInvalid */
export function parseUsage(row: unknown): OutboundUsage {
  return check(usageRow, row, 'usage');
}

/** A list whose length is looked at before its items: each wrong one would be written down. */
function shortList<T extends z.ZodType>(item: T, most: number) {
  const lengthFirst = (value: unknown) => (Array.isArray(value) && value.length > most ? 'too long' : value);
  return z.preprocess(lengthFirst, z.array(item).default([]));
}

function check<T>(shape: z.ZodType<T>, value: unknown, where: string): T {
  const result = shape.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new OutboundInvalid(`${where}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is not valid'}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
