/** What happens during a build, for whoever watches it. */
export type BuildEvent =
  /** Step `step` of `of` begins. */
  | { event: 'step'; step: number; of: number; text: string }
  /** A line that the builder printed. */
  | { event: 'line'; text: string };

const STEP = /^Step (\d+)\/(\d+) : (.*)$/;
/** What the classic builder says of its own affairs. */
const NOISE = /^(--->|Removing intermediate container|Successfully (built|tagged))/;
/** Characters: a line of progress is for a terminal. */
const MOST_TEXT = 200;

/** Reads a line of the builder; `undefined` for one that says nothing to people. */
export function readBuilderLine(line: string): BuildEvent | undefined {
  const [, step, of, text = ''] = STEP.exec(line) ?? [];
  if (step !== undefined) return { event: 'step', step: Number(step), of: Number(of), text: nameStep(text) };
  if (NOISE.test(line)) return undefined;
  return { event: 'line', text: line.length > MOST_TEXT ? `${line.slice(0, MOST_TEXT)}…` : line };
}

/** `RUN ["node","/opt/berth/image/install-apt.mts","--","jq"]` → `install-apt jq`. */
function nameStep(text: string): string {
  const [, program, rest = ''] = /^RUN \["node",".*\/([a-z-]+)\.mts"(.*)\]$/.exec(text) ?? [];
  const items = rest
    .replaceAll('"', '')
    .split(',')
    .filter((word) => word !== '' && word !== '--');
  return (program ? [program, ...items].join(' ') : text).slice(0, MOST_TEXT);
}
