import { stripVTControlCharacters } from 'node:util';
import type { GroupDone, GroupEvent, GroupFailed } from '../images/build-groups.ts';

type Output = NodeJS.WriteStream | (NodeJS.WritableStream & { isTTY?: false; columns?: number });

/** Shows the events of builds to whoever started them. */
export interface BuildView {
  show(event: GroupEvent): void;
  /** Leaves the screen as people expect it. */
  close(): void;
}

/** Lines of the builder that stay on a terminal when it failed. */
const LAST_LINES = 10;
/** Lines of the builder below the step, on a terminal. */
const SHOWN_LINES = 4;
const REDRAW_MS = 120;

/**
 * JSON lines for programs, a view that is redrawn for a terminal, plain lines for anything else. All of it goes to `out`:
 * what stderr gets is the command's error.
 */
export function createBuildView(json: boolean, out: Output = process.stdout): BuildView {
  if (json) return { show: (event) => void out.write(`${JSON.stringify(event)}\n`), close: () => undefined };
  return out.isTTY ? createTerminalView(out as NodeJS.WriteStream) : createPlainView(out);
}

function createPlainView(out: Output): BuildView {
  return {
    show(event) {
      if (event.event === 'step')
        out.write(`${event.group}: step ${event.step} of ${event.of}: ${event.text}\n`);
      else if (event.event === 'line') out.write(`${event.group}:   ${event.text}\n`);
      else sayEnd(out, event);
    },
    close: () => undefined,
  };
}

/** Of each group that is being built its step, the elapsed time and the last lines, drawn over what was drawn before. */
function createTerminalView(out: NodeJS.WriteStream): BuildView {
  const running = new Map<string, { began: number; step: string; lines: string[] }>();
  let drawn = 0;
  const timer = setInterval(draw, REDRAW_MS);

  return {
    show(event) {
      if (event.event === 'done' || event.event === 'failed') {
        erase();
        if (event.event === 'failed')
          for (const line of running.get(event.group)?.lines ?? []) out.write(`${event.group}:   ${line}\n`);
        sayEnd(out, event);
        running.delete(event.group);
      } else {
        const state = running.get(event.group) ?? { began: performance.now(), step: '', lines: [] };
        running.set(event.group, state);
        if (event.event === 'step') {
          state.step = `step ${event.step} of ${event.of}: ${event.text}`;
          state.lines = [];
        } else state.lines = [...state.lines.slice(1 - LAST_LINES), event.text];
      }
    },
    close() {
      clearInterval(timer);
      erase();
    },
  };

  function draw(): void {
    const lines = [...running].flatMap(([group, { began, step, lines: last }]) => {
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      return [`${group}  ${seconds} s  ${step}`, ...last.slice(-SHOWN_LINES).map((line) => `  ${line}`)];
    });
    erase();
    for (const line of lines)
      out.write(`${stripVTControlCharacters(line).slice(0, (out.columns ?? 80) - 1)}\n`);
    drawn = lines.length;
  }

  function erase(): void {
    if (drawn > 0) out.write(`\u001b[${drawn}A\u001b[0J`);
    drawn = 0;
  }
}

function sayEnd(out: Output, event: GroupDone | GroupFailed): void {
  const { group } = event;
  if (event.event === 'failed') {
    out.write(`${group}: failed: ${event.message} [${event.code}]\n`);
    return;
  }
  const { image, id, size, packages, built, tookMs } = event;
  if (image === null || id === null || size === null) {
    out.write(`${group}: declares no packages and starts from the base image\n`);
    return;
  }
  const how = built ? `built in ${(tookMs / 1000).toFixed(1)} s` : `was there already (${tookMs} ms)`;
  out.write(`${group}: ${image} ${id.slice(7, 19)} (${Math.round(size / 1e6)} MB) ${how}\n`);
  for (const [kind, versions] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(versions))
      out.write(`${group}:   ${kind} ${name} ${version}\n`);
  }
}
