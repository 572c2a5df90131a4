import type { Control, InboundHeader } from './read-inbound.ts';
import type { RunningTurn } from './running-turn.ts';
import { aborted } from './turn-failure.ts';
import type { OutboundWriter } from './write-outbound.ts';

interface ControlDeps {
  writer: OutboundWriter;
  turn: RunningTurn | undefined;
  free: readonly InboundHeader[];
  /** True when a turn runs or a message waits for one. */
  due: boolean;
  /** Programs that the agent left running: one that is frozen with us may hold a lock that others wait for. */
  lingering(): number[];
  onStop(): void;
}

/**
 * Does what the host asks, and notes it as obeyed. A park that is ignored is not noted: the host pauses on that word.
 */
export function obeyControl(deps: ControlDeps, control: Control): void {
  const { writer, turn } = deps;
  switch (control.verb) {
    case 'park':
      if (!deps.due && deps.lingering().length === 0) writer.obeyed(control.seq, true);
      return;
    case 'unpark':
      break;
    case 'stop':
      deps.onStop();
      break;
    case 'abort':
      abort(deps, control.body);
      break;
    case 'nudge':
      if (turn?.has(control.body.message_id ?? ''))
        turn.nudge(`nudge_${control.seq}`, control.body.text ?? '');
      break;
    default:
    // A verb of a later version: noted, so that nobody waits for it.
  }
  writer.obeyed(control.seq, false);
}

/**
 * Cancels the turn of that message, or takes it out of the queue when it has not had its turn yet. A later attempt had one:
 * that turn was meant, and is over.
 */
function abort({ turn, free, writer }: ControlDeps, { message_id, text }: Control['body']): void {
  if (!message_id) return;
  if (turn?.has(message_id)) turn.cancel('abort', text);
  else
    writer.refuse(
      free.filter((message) => message.id === message_id && message.attempt === 1),
      aborted(text),
    );
}
