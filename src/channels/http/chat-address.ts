import type { FastifyRequest } from 'fastify';
import type { ChatAddress } from '../channel.ts';

/** Where the routes of one chat begin. */
export const CHAT_PATH = '/v1/groups/:group/chats/:chat';

/** The chat that a request below {@link CHAT_PATH} speaks of, as the caller wrote it: the host checks names. */
export function chatAddress(request: FastifyRequest): ChatAddress {
  return { channel: 'http', group: param(request, 'group'), chat: param(request, 'chat') };
}

/** A decoded part of the path, unchecked. */
export function param(request: FastifyRequest, name: string): string {
  return (request.params as Record<string, string | undefined>)[name] ?? '';
}
