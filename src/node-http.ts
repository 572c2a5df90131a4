/*
 * `node:http`, taken as programs took it before there was `import`: an import of it loads Node's client for `fetch` and WebSocket
 * besides, a quarter of a host's start (docs/decisions/quick-start.md).
 */
const http: typeof import('node:http') = process.getBuiltinModule('node:http');

export const { Agent, createServer, get, request, ServerResponse, STATUS_CODES } = http;
