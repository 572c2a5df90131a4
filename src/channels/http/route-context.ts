import type { Host } from '../channel.ts';
import type { EventStreams } from './event-streams.ts';

/** What the routes of the HTTP channel work with. */
export interface RouteContext {
  host: Host;
  /** Largest upload in bytes. */
  maxFileBytes: number;
  streams: EventStreams;
}
