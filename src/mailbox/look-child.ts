import { OutboundInvalid } from './outbound-invalid.ts';
import { readOutboundSlowly } from './read-outbound.ts';
import type { LookOptions } from './read-rows.ts';
import type { LookReply } from './slow-looks.ts';

/*
 * A process that looks at what may take for ever: the host kills it when it takes too long. It has nothing else in hand,
 * no secrets in its environment, and ends with the host.
 */

process.on('message', (options: LookOptions) => reply(look(options)));
process.on('disconnect', () => process.exit());
reply({ kind: 'ready' });

function look(options: LookOptions): LookReply {
  const began = performance.now();
  try {
    return { kind: 'found', found: readOutboundSlowly(options), tookMs: performance.now() - began };
  } catch (error) {
    return {
      kind: error instanceof OutboundInvalid ? 'invalid' : 'failed',
      reason: (error as Error).message,
    };
  }
}

function reply(message: LookReply): void {
  process.send?.(message);
}
